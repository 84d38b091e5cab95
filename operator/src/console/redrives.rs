//! `/redrives`: dead letters on their way back to their queues, each job with its progress.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::sse::Sse;
use axum::response::{IntoResponse as _, Redirect, Response};
use epro_store::StoreError;
use epro_store::audit::Actor;
use epro_store::redrives::{ItemStatus, RedriveStatus};
use futures_util::stream::{self, StreamExt as _};
use time::OffsetDateTime;

use super::act::Form;
use super::desk::{Desk, actor, done};
use super::frame::{Frame, banner, page};
use super::live::{event, over};
use super::live_page::Still;
use super::refused::Refused;
use super::visitor::Visitor;
use super::wanted::Wanted;
use super::words;
use crate::dead_letters;
use crate::redrive::job::{self, Runner};

/// Between two looks at how far one is.
const LOOK: Duration = Duration::from_millis(500);
/// Outcomes that are shown one by one.
const SHOWN: u32 = 50;
/// One that nobody worked at for so long stands still.
const STILL: time::Duration = time::Duration::seconds(15);

#[derive(Template)]
#[template(path = "redrives.html")]
struct List {
    frame: Frame,
    rows: Vec<Row>,
    error: Option<String>,
}

#[derive(Template)]
#[template(path = "redrive.html")]
struct One {
    frame: Frame,
    id: i64,
    live: String,
}

#[derive(Template)]
#[template(path = "redrive_live.html")]
struct Live {
    row: Row,
    items: Vec<ItemStatus>,
    /// What a form has to carry, of somebody who may.
    form_token: Option<String>,
}

struct Row {
    status: RedriveStatus,
    made: String,
    age: String,
    done: i64,
    share: String,
    /// In words.
    state: &'static str,
    mood: &'static str,
    stands: bool,
}

pub(crate) async fn list(State(desk): State<Arc<Desk>>, visitor: Visitor) -> Response {
    let (rows, error) = match desk.ask(async |store| store.redrives(100).await).await {
        Ok(found) => (found.into_iter().map(row).collect(), None),
        Err(error) => (Vec::new(), Some(error)),
    };
    page(&List { frame: Frame::of(&desk, visitor, "/dead-letters", "Redrives"), rows, error })
}

/// Makes one of what the filter finds now, and works at it.
pub(crate) async fn create(State(desk): State<Arc<Desk>>, form: Form) -> Result<Response, Refused> {
    form.visitor.needs_operator()?;
    let reason = form.reason()?;
    let rate = number(&form, "rate", job::RATE, 1000)?;
    let limit = number(&form, "limit", job::LIMIT, 1_000_000)?;
    let filter = Wanted::of(&form).filter().map_err(Refused::invalid)?;
    let all = form.field("all").is_some();
    let outside = desk.outside();
    let made = async {
        let (filter, _) = dead_letters::touched(desk.store(), &filter, all, limit).await?;
        let mut runner = Runner::new(&outside, actor(form.who()))?;
        Ok::<_, anyhow::Error>((runner.create(&filter, rate, reason).await?, runner))
    };
    let made = tokio::time::timeout(Duration::from_secs(10), made).await;
    let made = made.map_err(|_| Refused::down("PostgreSQL didn't answer in time."))?;
    match made.map_err(refused)? {
        (Some(id), runner) => work(&desk, id, runner).await,
        (None, _) => Err(Refused::invalid("The filter finds nothing that is open.")),
    }
}

/// Goes on with one that was cancelled, or whose process died.
pub(crate) async fn resume(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<i64>,
    form: Form,
) -> Result<Response, Refused> {
    form.visitor.needs_operator()?;
    let failed = |error: anyhow::Error| Refused::down(format!("{error:#}"));
    let mut runner = Runner::new(&desk.outside(), actor(form.who())).map_err(failed)?;
    if runner.resume(id).await.map_err(failed)? {
        return work(&desk, id, runner).await;
    }
    Err(Refused::invalid("It is done, or there is no such redrive."))
}

/// Whoever works at it stops at the next dead letter.
pub(crate) async fn cancel(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<i64>,
    form: Form,
) -> Result<Response, Refused> {
    form.visitor.needs_operator()?;
    let who: Actor = actor(form.who());
    let mut chain = desk.chain().await?;
    done(desk.store().cancel_redrive(&mut chain, id, &who)).await?;
    Ok(Redirect::to(&format!("/redrives/{id}?told=cancelled")).into_response())
}

async fn work(desk: &Desk, id: i64, runner: Runner) -> Result<Response, Refused> {
    if desk.redrives.try_send((id, runner)).is_err() {
        let text = format!("Redrive {id} is made, but too many are under way here. Resume it later.");
        return Err(Refused::down(text));
    }
    Ok(Redirect::to(&format!("/redrives/{id}")).into_response())
}

/// By the server, or by a rule.
fn refused(error: anyhow::Error) -> Refused {
    let text = format!("{error:#}.");
    if error.is::<StoreError>() { Refused::down(text) } else { Refused::invalid(text) }
}

fn number(form: &Form, name: &str, usual: u32, most: u32) -> Result<u32, Refused> {
    let Some(text) = form.field(name) else { return Ok(usual) };
    let number = text.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| Refused::invalid(format!("“{name}” has to be a number from 1 to {most}.")))
}

/// One, live.
pub(crate) async fn show(
    State(desk): State<Arc<Desk>>,
    visitor: Visitor,
    Path(id): Path<i64>,
    Query(still): Query<Still>,
) -> Result<Response, Refused> {
    let live = draw(&desk, &visitor, id).await.map_err(Refused::unseen)?;
    let live = live.ok_or_else(|| Refused::absent("There is no such redrive."))?;
    let frame = Frame::of(&desk, visitor, "/dead-letters", format!("Redrive {id}")).telling(still.told());
    let frame = Frame { stream: Some(format!("/redrives/{id}/live")), ..frame };
    Ok(page(&One { frame, id, live: live.0 }))
}

/// How far it is, twice a second, until it ends.
pub(crate) async fn live(State(desk): State<Arc<Desk>>, visitor: Visitor, Path(id): Path<i64>) -> Response {
    let until = over(&desk, &visitor);
    let looks = stream::unfold((desk, visitor, false), move |(desk, visitor, ended)| async move {
        if ended {
            // The connection stays open: one that ends is made again by the browser.
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(LOOK).await;
        let drawn = draw(&desk, &visitor, id).await;
        let (live, ended) = match drawn {
            Ok(Some((live, ended))) => (Some(live), ended),
            Ok(None) | Err(_) => (None, false),
        };
        let banner = event("banner", &banner(&desk.picture()));
        let page = live.map(|live| event("page", &live));
        let events = [Some(banner), page].into_iter().flatten().map(Ok::<_, Infallible>);
        Some((stream::iter(events.collect::<Vec<_>>()), (desk, visitor, ended)))
    });
    Sse::new(looks.flatten().take_until(Box::pin(until))).into_response()
}

/// As HTML, and whether it has ended.
async fn draw(desk: &Desk, visitor: &Visitor, id: i64) -> Result<Option<(String, bool)>, String> {
    let found = desk.ask(async |store| {
        let (status, items) = (store.redrive(id).await?, store.redrive_items(id, false, SHOWN).await?);
        Ok::<_, StoreError>((status, items))
    });
    let (Some(status), items) = found.await? else { return Ok(None) };
    let row = row(status);
    let ended = row.status.state != "open";
    let form_token = visitor.session.operates.then(|| visitor.form_token.clone());
    let live = Live { row, items, form_token }.render().unwrap_or_default();
    Ok(Some((live, ended)))
}

fn row(status: RedriveStatus) -> Row {
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
