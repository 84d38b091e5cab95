//! `/dead-letters/{id}`: one, what it holds for who says why, and giving it up.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use epro_store::dead_letters::{DeadLetterRow, Filter};

use super::act::Form;
use super::acting::{self, Acting};
use super::dead_letters::{Row, row};
use super::desk::{Desk, done};
use super::frame::{Frame, page};
use super::live_page::Still;
use super::number::Number;
use super::refused::Refused;
use super::visitor::Visitor;
use super::words;
use crate::dead_letters::reveal;

#[derive(Template)]
#[template(path = "dead_letter.html")]
struct Page {
    frame: Frame,
    row: Row,
    first: String,
    settled: Option<String>,
    open: bool,
    bytes: String,
    revealed: Option<String>,
}

/// Without what is under the seal.
pub(crate) async fn show(
    State(desk): State<Arc<Desk>>,
    visitor: Visitor,
    Number(id): Number,
    Query(still): Query<Still>,
) -> Result<Response, Refused> {
    let found = desk
        .ask(async |store| store.dead_letter(id).await)
        .await
        .map_err(|why| Refused::unseen(&desk, &why))?;
    let bound = &visitor.session.bound;
    let found = found
        .filter(|found| bound.has(found.summary.study_id.as_deref(), found.summary.site_id.as_deref()))
        .ok_or_else(|| Refused::absent("There is no such dead letter."))?;
    Ok(shown(&desk, visitor, found, None, still.told()))
}

/// With it. The audit row is committed before anything is opened.
pub(crate) async fn reveal(
    State(desk): State<Arc<Desk>>,
    Number(id): Number,
    form: Form,
) -> Result<Response, Refused> {
    let Acting { who, reason, mut chain } = acting::begin(&desk, &form, Visitor::needs_steward).await?;
    // Before anything is noted: without the keys nobody sees anything.
    let ring = desk.seal_keys.ring().ok_or_else(|| Refused::down("The console has no keys of seals."))?;
    needs_own(&desk, &form.visitor, id).await?;
    let found = done(desk.store().reveal(&mut chain, id, who, reason)).await?;
    let found = found.ok_or_else(|| Refused::absent("There is no such dead letter."))?;
    let opened = serde_json::to_string_pretty(&reveal::opened(&ring, &found)).unwrap_or_default();
    Ok(shown(&desk, form.visitor, found, Some(opened), None))
}

/// Gives it up.
pub(crate) async fn discard(
    State(desk): State<Arc<Desk>>,
    Number(id): Number,
    form: Form,
) -> Result<Response, Refused> {
    let Acting { who, reason, mut chain } = acting::begin(&desk, &form, Visitor::needs_operator).await?;
    needs_own(&desk, &form.visitor, id).await?;
    let discarded = done(desk.store().discard(&mut chain, &[id], who, reason)).await?;
    let told = if discarded.now.is_empty() { "done_before" } else { "discarded" };
    Ok(Redirect::to(&format!("/dead-letters/{id}?told={told}")).into_response())
}

/// Refuses one of a study or a site that their token isn't for, and one that may be of any.
async fn needs_own(desk: &Desk, visitor: &Visitor, id: i64) -> Result<(), Refused> {
    if visitor.session.bound.is_free() {
        return Ok(());
    }
    let one = Filter { ids: vec![id], ..Filter::default() };
    let found = done(desk.store().dead_letters(&one)).await?;
    found.iter().try_for_each(|found| visitor.needs_own(found.study_id.as_deref(), found.site_id.as_deref()))
}

fn shown(
    desk: &Desk,
    visitor: Visitor,
    found: DeadLetterRow,
    revealed: Option<String>,
    told: Option<&str>,
) -> Response {
    let summary = found.summary;
    let title = format!("Dead letter {}", summary.id);
    let frame = Frame::of(desk, visitor, "/dead-letters", title).telling(told);
    page(&Page {
        first: words::instant(summary.first_at),
        settled: summary.settled_at.map(words::instant),
        open: summary.state.as_str() == "open",
        bytes: words::count(found.body.len()),
        row: row(summary),
        frame,
        revealed,
    })
}
