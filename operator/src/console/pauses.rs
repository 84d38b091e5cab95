//! `/pauses`: what was stopped on purpose, and stopping and resuming with a reason.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use epro_store::pause::Pause;
use serde::Deserialize;

use super::act::Form;
use super::acting::{self, Acting};
use super::desk::{Desk, done};
use super::frame::{Frame, page};
use super::refused::Refused;
use super::visitor::Visitor;
use super::words;
use crate::pause;

#[derive(Template)]
#[template(path = "pauses.html")]
struct Page {
    frame: Frame,
    pauses: Vec<Row>,
    /// How old what is shown is, if PostgreSQL didn't answer.
    old: Option<String>,
    seen: bool,
    lanes: Vec<Choice>,
    sites: Vec<Choice>,
    /// Nothing is chosen yet.
    none: bool,
}

struct Row {
    pause: Pause,
    since: String,
    age: String,
    own: bool,
}

struct Choice {
    name: String,
    chosen: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Wanted {
    what: Option<String>,
    told: Option<String>,
}

pub(crate) async fn handle(
    State(desk): State<Arc<Desk>>,
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Response {
    let picture = desk.picture();
    let (pauses, old, seen) = match desk.ask(async |store| store.pauses().await).await {
        Ok(pauses) => (pauses, None, true),
        Err(_) => match &picture.tables.seen {
            Some(seen) => (seen.what.pauses.clone(), Some(words::age(seen.at)), true),
            None => (Vec::new(), None, false),
        },
    };
    let what = wanted.what.as_deref();
    let choice = |name: String| Choice { chosen: what == Some(name.as_str()), name };
    let row = |pause: Pause| Row {
        since: words::instant(pause.at),
        age: words::age(pause.at),
        own: pause.is_its_own(),
        pause,
    };
    let lanes: Vec<Choice> = pause::lanes().into_iter().map(|lane| choice(lane.to_owned())).collect();
    let sites: Vec<Choice> = desk.outside().hospitals().into_iter().map(choice).collect();
    let none = !lanes.iter().chain(&sites).any(|choice| choice.chosen);
    let frame = Frame::of(&desk, visitor, "/pauses", "Pauses").telling(wanted.told.as_deref());
    let pauses = pauses.into_iter().map(row).collect();
    page(&Page { frame, pauses, old, seen, lanes, sites, none })
}

pub(crate) async fn pause(State(desk): State<Arc<Desk>>, form: Form) -> Result<Response, Refused> {
    change(&desk, &form, true).await
}

pub(crate) async fn resume(State(desk): State<Arc<Desk>>, form: Form) -> Result<Response, Refused> {
    change(&desk, &form, false).await
}

async fn change(desk: &Desk, form: &Form, pauses: bool) -> Result<Response, Refused> {
    let Acting { who, reason, mut chain } = acting::begin(desk, form, Visitor::needs_operator).await?;
    let what = form.field("what").ok_or_else(|| Refused::invalid("Choose a lane or a hospital."))?;
    let kind = pause::kind(&desk.outside(), what).map_err(|error| Refused::invalid(error.to_string()))?;
    let changed = if pauses {
        done(desk.store().pause(&mut chain, kind, what, who, reason)).await?
    } else {
        done(desk.store().resume(&mut chain, kind, what, who, reason)).await?
    };
    let told = match (changed, pauses) {
        (true, true) => "paused",
        (false, true) => "paused_before",
        (true, false) => "resumed",
        (false, false) => "not_paused",
    };
    Ok(Redirect::to(&format!("/pauses?told={told}")).into_response())
}
