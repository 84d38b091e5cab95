//! `/submissions`: what became of one, step by step.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use epro_store::StoreError;
use epro_store::trace::{Standing, TraceStep};
use serde::Deserialize;
use uuid::Uuid;

use super::desk::Desk;
use super::frame::{Frame, page};
use super::visitor::Visitor;
use super::words;
use crate::trace;

#[derive(Template)]
#[template(path = "submissions.html")]
struct Page {
    frame: Frame,
    id: String,
    asked: bool,
    standing: Vec<Stands>,
    steps: Vec<Step>,
    earlier_steps: bool,
    error: Option<String>,
}

struct Stands {
    found: Standing,
    since: String,
    mood: &'static str,
}

struct Step {
    found: TraceStep,
    at: String,
    took: Option<String>,
    mood: &'static str,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    id: String,
}

pub(crate) async fn handle(
    State(desk): State<Arc<Desk>>,
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Response {
    let (id, bound) = (wanted.id.trim().to_owned(), &visitor.session.bound);
    let found = match id.parse::<Uuid>() {
        _ if id.is_empty() => Ok(None),
        Ok(id) => desk
            .ask(async |store| {
                let found = store.trace(id).await?;
                // Asked afterwards: of all that was found it is known by then where it belongs.
                let theirs = bound.is_free() || bound.has_all(&store.places(id).await?);
                Ok::<_, StoreError>(found.filter(|_| theirs))
            })
            .await
            .map_err(|why| format!("Nothing can be looked up: {why}")),
        Err(_) => Err("A submission's id is a UUID".to_owned()),
    };
    let (found, error) = match found {
        Ok(found) => (found, None),
        Err(error) => (None, Some(error)),
    };
    let (standing, steps, earlier_steps) =
        found.map_or_else(Default::default, |found| (found.standing, found.steps, found.earlier_steps));
    let frame = Frame::of(&desk, visitor, "/submissions", "Submissions");
    page(&Page {
        frame,
        asked: !id.is_empty(),
        id,
        standing: standing.into_iter().map(stands).collect(),
        steps: steps.into_iter().map(step).collect(),
        earlier_steps,
        error,
    })
}

fn stands(found: Standing) -> Stands {
    let mood = match found.state.as_str() {
        "stored" | "done" | "acknowledged" | "closed" | "redriven" => "ok",
        "open" | "set_aside" => "bad",
        "waits" | "unsent" => "look",
        _ => "quiet",
    };
    Stands { since: words::instant(found.since), mood, found }
}

fn step(found: TraceStep) -> Step {
    let mood = match found.what.as_str() {
        "submission.stored" => "ok",
        "alert" => "look",
        "dead letter" | "submission.set_aside" | "started again" => "bad",
        "call" if found.detail.contains("taken") => "ok",
        "call" => "look",
        _ => "quiet",
    };
    Step { at: trace::at(found.at), took: found.duration_ms.map(trace::took), mood, found }
}
