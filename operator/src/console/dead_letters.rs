//! `/dead-letters`: what was set aside, found by filters, without what a patient said.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use epro_store::StoreError;
use epro_store::dead_letters::{Class, Counted, DeadLetterSummary};

use super::desk::Desk;
use super::frame::{Frame, page};
use super::visitor::Visitor;
use super::wanted::Wanted;
use super::words;
use crate::redrive::job;

/// Rows of a page.
const LISTED: u32 = 50;

#[derive(Template)]
#[template(path = "dead_letters.html")]
struct Page {
    frame: Frame,
    wanted: Wanted,
    classes: Vec<(&'static str, bool)>,
    states: Vec<(&'static str, bool)>,
    rows: Vec<Row>,
    counted: Vec<Counted>,
    total: String,
    any: bool,
    /// Only open ones can be redriven.
    open: bool,
    next: Option<String>,
    error: Option<String>,
    /// How old what is shown is, where PostgreSQL doesn't answer.
    old: Option<String>,
    rate: u32,
    limit: u32,
}

pub(crate) struct Row {
    pub found: DeadLetterSummary,
    pub last: String,
    pub age: String,
}

pub(crate) async fn list(
    State(desk): State<Arc<Desk>>,
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Response {
    let bound = visitor.session.bound.clone();
    let found = match wanted.listed(LISTED) {
        Ok(mut filter) => {
            filter.bound = bound.clone();
            let all = epro_store::dead_letters::Filter { limit: None, after: None, ..filter.clone() };
            let found = desk.ask(async |store| {
                let found = async { store.dead_letters(&filter).await };
                let counted = async { store.count_dead_letters(&all).await };
                Ok::<_, StoreError>(tokio::try_join!(found, counted)?)
            });
            found.await.map_err(|error| (error, true))
        }
        Err(error) => Err((error, false)),
    };
    let picture = desk.picture();
    let (found, counted, error, old) = match found {
        Ok((found, counted)) => (found, counted, None, None),
        Err((error, true)) => match &picture.tables.seen {
            Some(seen) => {
                let theirs = |found: &&DeadLetterSummary| {
                    bound.has(found.study_id.as_deref(), found.site_id.as_deref())
                };
                let found = seen.what.dead_letters.iter().filter(theirs).cloned().collect();
                (found, Vec::new(), Some(error), Some(words::age(seen.at)))
            }
            None => (Vec::new(), Vec::new(), Some(error), None),
        },
        Err((error, false)) => (Vec::new(), Vec::new(), Some(error), None),
    };
    let full = found.len() == LISTED as usize && old.is_none();
    let next = found.last().filter(|_| full).map(|last| wanted.next(last.id));
    let total: i64 = counted.iter().map(|counted| counted.count).sum();
    let chosen = |class: Class| (class.as_str(), wanted.class == class.as_str());
    let state = if wanted.state.is_empty() { "open" } else { wanted.state.as_str() };
    let states = ["open", "redriven", "discarded", "all"].map(|name| (name, name == state)).to_vec();
    let (classes, open) = (Class::ALL.into_iter().map(chosen).collect(), state == "open");
    let page_of = Page {
        frame: Frame::of(&desk, visitor, "/dead-letters", "Dead letters"),
        classes,
        states,
        rows: found.into_iter().map(row).collect(),
        any: total > 0,
        total: words::count(total),
        counted,
        open,
        next,
        error,
        old,
        rate: job::RATE,
        limit: job::LIMIT,
        wanted,
    };
    page(&page_of)
}

pub(crate) fn row(found: DeadLetterSummary) -> Row {
    Row { last: words::instant(found.last_at), age: words::age(found.last_at), found }
}
