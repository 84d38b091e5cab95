//! `/redrives/{id}`: one redrive as it gets on, and ending it or going on with it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::sse::Sse;
use axum::response::{IntoResponse as _, Redirect, Response};
use epro_store::StoreError;
use epro_store::redrives::ItemStatus;
use futures_util::stream::{self, StreamExt as _};
use serde::Deserialize;

use super::act::Form;
use super::acting::{self, Acting};
use super::desk::{Desk, done};
use super::frame::{Frame, banner, page};
use super::live::{event, over};
use super::live_page::Still;
use super::number::Number;
use super::redrives::{Row, row, work};
use super::refused::Refused;
use super::visitor::Visitor;

/// Between two looks at how far it is.
const LOOK: Duration = Duration::from_millis(500);
/// Outcomes that are shown one by one.
const SHOWN: u32 = 50;

#[derive(Template)]
#[template(path = "redrive.html")]
struct Page {
    frame: Frame,
    id: i64,
    live: String,
    act: String,
}

#[derive(Template)]
#[template(path = "redrive_live.html")]
struct Live {
    row: Row,
    items: Vec<ItemStatus>,
}

/// What may be done about it. Drawn anew only when that changes: somebody may be writing a reason.
#[derive(Template)]
#[template(path = "redrive_act.html")]
struct Act {
    id: i64,
    /// `open`, `still`, `cancelled` or `done`.
    stage: &'static str,
    form_token: Option<String>,
}

/// The stage that the page was drawn at.
#[derive(Debug, Deserialize)]
pub(crate) struct Drawn {
    #[serde(default)]
    stage: String,
}

/// Goes on with one that was cancelled, or whose process died.
pub(crate) async fn resume(
    State(desk): State<Arc<Desk>>,
    Number(id): Number,
    form: Form,
) -> Result<Response, Refused> {
    form.visitor.needs_operator()?;
    let reason = form.reason()?;
    needs_own(&desk, &form.visitor, id).await?;
    let failed = |error: anyhow::Error| Refused::down(format!("{error:#}"));
    let mut runner = desk.runner(form.by()).map_err(failed)?;
    if runner.resume(id, reason).await.map_err(failed)? {
        return work(&desk, id, runner).await;
    }
    Err(Refused::invalid("It is done, or there is no such redrive."))
}

/// Whoever works at it stops at the next dead letter.
pub(crate) async fn cancel(
    State(desk): State<Arc<Desk>>,
    Number(id): Number,
    form: Form,
) -> Result<Response, Refused> {
    let Acting { who, reason, mut chain } = acting::begin(&desk, &form, Visitor::needs_operator).await?;
    needs_own(&desk, &form.visitor, id).await?;
    let changed = done(desk.store().cancel_redrive(&mut chain, id, (&who, reason))).await?;
    let told = if changed { "cancelled" } else { "done_before" };
    Ok(Redirect::to(&format!("/redrives/{id}?told={told}")).into_response())
}

/// Refuses one with dead letters of a study or a site that their token isn't for.
async fn needs_own(desk: &Desk, visitor: &Visitor, id: i64) -> Result<(), Refused> {
    let bound = &visitor.session.bound;
    let theirs = bound.is_free() || done(desk.store().redrive_is_within(id, bound)).await?;
    if theirs { Ok(()) } else { Err(Refused::elsewhere()) }
}

/// One, live.
pub(crate) async fn show(
    State(desk): State<Arc<Desk>>,
    visitor: Visitor,
    Number(id): Number,
    Query(still): Query<Still>,
) -> Result<Response, Refused> {
    let drawn = draw(&desk, &visitor, id).await.map_err(|why| Refused::unseen(&desk, &why))?;
    let (live, act, stage) = drawn.ok_or_else(|| Refused::absent("There is no such redrive."))?;
    let frame = Frame::of(&desk, visitor, "/dead-letters", format!("Redrive {id}")).telling(still.told());
    let frame = Frame { stream: Some(format!("/redrives/{id}/live?stage={stage}")), ..frame };
    Ok(page(&Page { frame, id, live, act }))
}

/// How far it is, twice a second, until it ends.
pub(crate) async fn live(
    State(desk): State<Arc<Desk>>,
    visitor: Visitor,
    Number(id): Number,
    Query(drawn): Query<Drawn>,
) -> Response {
    let until = over(&desk, &visitor);
    let begin = (desk, visitor, drawn.stage, false);
    let looks = stream::unfold(begin, move |(desk, visitor, mut stage, mut ended)| async move {
        if ended {
            // The connection stays open: one that ends is made again by the browser.
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(LOOK).await;
        let drawn = draw(&desk, &visitor, id).await.ok().flatten();
        let mut events = vec![event("banner", &banner(&desk, &desk.picture()))];
        if let Some((live, act, now)) = drawn {
            events.push(event("page", &live));
            if now != stage {
                events.push(event("act", &act));
                now.clone_into(&mut stage);
            }
            ended = matches!(now, "cancelled" | "done");
        }
        let events: Vec<_> = events.into_iter().map(Ok::<_, Infallible>).collect();
        Some((stream::iter(events), (desk, visitor, stage, ended)))
    });
    Sse::new(looks.flatten().take_until(Box::pin(until))).into_response()
}

/// How far it is and what may be done about it, as HTML, and its stage.
async fn draw(
    desk: &Desk,
    visitor: &Visitor,
    id: i64,
) -> Result<Option<(String, String, &'static str)>, String> {
    let found = desk.ask(async |store| {
        let (status, items) = (store.redrive(id).await?, store.redrive_items(id, false, SHOWN).await?);
        Ok::<_, StoreError>((status, items))
    });
    let (Some(status), items) = found.await? else { return Ok(None) };
    let row = row(status);
    let stage = match (row.status.state.as_str(), row.stands) {
        ("done", _) => "done",
        ("cancelled", _) => "cancelled",
        (_, true) => "still",
        (_, false) => "open",
    };
    let form_token = visitor.session.operates.then(|| visitor.form_token.clone());
    let act = Act { id, stage, form_token }.render().unwrap_or_default();
    Ok(Some((Live { row, items }.render().unwrap_or_default(), act, stage)))
}
