//! `/redrives`: dead letters on their way back to their queues: all of the jobs, and making one.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use epro_store::StoreError;
use epro_store::dead_letters::Counted;
use epro_store::redrives::RedriveStatus;
use time::OffsetDateTime;

use super::act::Form;
use super::desk::Desk;
use super::frame::{Frame, page};
use super::refused::Refused;
use super::visitor::Visitor;
use super::wanted::Wanted;
use super::words;
use crate::arguments::Touched;
use crate::dead_letters::{self, Elsewhere};
use crate::redrive::job::{self, Runner};

/// How long making one may take.
const WITHIN: Duration = Duration::from_secs(10);
/// One that nobody worked at for so long stands still.
const STILL: time::Duration = time::Duration::seconds(15);

#[derive(Template)]
#[template(path = "redrives.html")]
struct List {
    frame: Frame,
    rows: Vec<Row>,
    error: Option<String>,
}

/// What one would take, by class.
#[derive(Template)]
#[template(path = "redrive_dry.html")]
struct Dry {
    frame: Frame,
    wanted: Wanted,
    counted: Vec<Counted>,
    total: String,
    any: bool,
    rate: u32,
    limit: u32,
}

pub(crate) struct Row {
    pub status: RedriveStatus,
    pub made: String,
    pub age: String,
    pub done: i64,
    pub share: String,
    /// In words.
    pub state: &'static str,
    pub mood: &'static str,
    pub stands: bool,
}

pub(crate) async fn list(State(desk): State<Arc<Desk>>, visitor: Visitor) -> Response {
    let (rows, error) = match desk.ask(async |store| store.redrives(100).await).await {
        Ok(found) => (found.into_iter().map(row).collect(), None),
        Err(error) => (Vec::new(), Some(error)),
    };
    page(&List { frame: Frame::of(&desk, visitor, "/dead-letters", "Redrives"), rows, error })
}

/// Makes one of what the filter finds now, and works at it; or says what it would take.
pub(crate) async fn create(State(desk): State<Arc<Desk>>, form: Form) -> Result<Response, Refused> {
    form.visitor.needs_operator()?;
    let rate = number(&form, "rate", job::RATE, 1000)?;
    let limit = number(&form, "limit", job::LIMIT, 1_000_000)?;
    let wanted = Wanted::of(&form);
    let filter = wanted.filter().map_err(Refused::invalid)?;
    let bound = form.visitor.session.bound.clone();
    let elsewhere = |named: Option<&str>, has: bool| named.is_some() && !has;
    let (study, site) = (filter.study.as_deref(), filter.site.as_deref());
    if elsewhere(study, bound.has_study(study)) || elsewhere(site, bound.has_site(site)) {
        return Err(Refused::elsewhere());
    }
    if form.field("dry_run").is_some() {
        let touched = Touched { filter, all: true, limit, yes: false };
        return dry(&desk, form.visitor, wanted, &touched, rate).await;
    }
    let reason = form.reason()?;
    let touched = Touched { filter, all: form.field("all").is_some(), limit, yes: true };
    let made = async {
        let (filter, _) = dead_letters::touched(desk.store(), &touched, &bound).await?;
        let mut runner = desk.runner(form.by())?;
        Ok::<_, anyhow::Error>((runner.create(&filter, rate, reason).await?, runner))
    };
    match within(made).await? {
        (Some(id), runner) => work(&desk, id, runner).await,
        (None, _) => Err(Refused::invalid("The filter finds nothing that is open.")),
    }
}

async fn dry(
    desk: &Desk,
    visitor: Visitor,
    wanted: Wanted,
    touched: &Touched,
    rate: u32,
) -> Result<Response, Refused> {
    let bound = &visitor.session.bound;
    let (_, counted) = within(dead_letters::touched(desk.store(), touched, bound)).await?;
    let total: i64 = counted.iter().map(|counted| counted.count).sum();
    let frame = Frame::of(desk, visitor, "/dead-letters", "Dry run");
    let (total, any) = (words::count(total), total > 0);
    Ok(page(&Dry { frame, wanted, counted, total, any, rate, limit: touched.limit }))
}

pub(super) async fn work(desk: &Desk, id: i64, runner: Runner) -> Result<Response, Refused> {
    if desk.redrives.try_send((id, runner)).is_err() {
        let text = format!("Redrive {id} is made, but too many are under way here. Resume it later.");
        return Err(Refused::down(text));
    }
    Ok(Redirect::to(&format!("/redrives/{id}")).into_response())
}

/// In time, or refused: by the server, or by a rule.
async fn within<T>(asked: impl Future<Output = anyhow::Result<T>>) -> Result<T, Refused> {
    let answer = tokio::time::timeout(WITHIN, asked).await;
    let answer = answer.map_err(|_| Refused::down("PostgreSQL didn't answer in time."))?;
    answer.map_err(|error| {
        let text = format!("{error:#}.");
        if error.is::<Elsewhere>() {
            Refused::elsewhere()
        } else if error.is::<StoreError>() {
            Refused::down(text)
        } else {
            Refused::invalid(text)
        }
    })
}

fn number(form: &Form, name: &str, usual: u32, most: u32) -> Result<u32, Refused> {
    let Some(text) = form.field(name) else { return Ok(usual) };
    let number = text.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| Refused::invalid(format!("“{name}” has to be a number from 1 to {most}.")))
}

pub(super) fn row(status: RedriveStatus) -> Row {
    let stands = status.state == "open" && OffsetDateTime::now_utc() - status.stepped_at > STILL;
    let done_now = status.total - status.waiting;
    let share = if status.total > 0 { done_now as f64 / status.total as f64 * 100.0 } else { 100.0 };
    let (state, mood) = match (status.state.as_str(), stands) {
        ("done", _) if status.failed > 0 => ("done in part", "look"),
        ("done", _) => ("done", "ok"),
        ("cancelled", _) => ("cancelled", "look"),
        (_, true) => ("stands still", "bad"),
        (_, false) => ("under way", "quiet"),
    };
    Row {
        made: words::instant(status.created_at),
        age: words::age(status.created_at),
        share: format!("{share:.0}"),
        done: done_now,
        state,
        mood,
        stands,
        status,
    }
}
