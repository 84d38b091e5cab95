//! `/audit`: who did what, within a time.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use epro_store::Bound;
use epro_store::audit::{Found, Search};
use serde::Deserialize;
use serde_json::Value;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::desk::Desk;
use super::frame::{Frame, page};
use super::visitor::Visitor;
use super::words;

/// Rows that are shown.
const SHOWN: u32 = 200;
/// How far back may be looked: choice, hours.
const BACK: [(&str, i64); 5] =
    [("1 hour", 1), ("24 hours", 24), ("7 days", 168), ("30 days", 720), ("a year", 8784)];
/// Unless another is chosen.
const USUAL: i64 = 24;

#[derive(Template)]
#[template(path = "audit.html")]
struct Page {
    frame: Frame,
    wanted: Wanted,
    back: Vec<(&'static str, i64, bool)>,
    rows: Vec<Row>,
    more: bool,
    error: Option<String>,
}

struct Row {
    found: Found,
    at: String,
    details: Vec<(String, String)>,
}

/// What is looked for. An empty field is none.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    action: String,
    #[serde(default)]
    actor: String,
    #[serde(default)]
    site: String,
    #[serde(default)]
    submission: String,
    hours: Option<i64>,
}

pub(crate) async fn handle(
    State(desk): State<Arc<Desk>>,
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Response {
    let found = match search(&wanted, &visitor.session.bound) {
        Ok(search) => desk.ask(async |store| store.search_audit(&search).await).await,
        Err(error) => Err(error),
    };
    let (found, error) = match found {
        Ok(found) => (found, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let more = found.len() == SHOWN as usize;
    let hours = wanted.hours.unwrap_or(USUAL);
    let back = BACK.map(|(name, back)| (name, back, back == hours)).to_vec();
    let frame = Frame::of(&desk, visitor, "/audit", "Audit trail");
    page(&Page { frame, wanted, back, rows: found.into_iter().map(row).collect(), more, error })
}

fn search(wanted: &Wanted, bound: &Bound) -> Result<Search, String> {
    let now = OffsetDateTime::now_utc();
    let some = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let submission = some(&wanted.submission).map(|id| id.parse::<Uuid>()).transpose();
    let hours = wanted.hours.unwrap_or(USUAL);
    if !BACK.iter().any(|(_, back)| *back == hours) {
        return Err("choose one of the times".to_owned());
    }
    Ok(Search {
        from: now - Duration::hours(hours),
        until: now + Duration::minutes(5),
        action: some(&wanted.action),
        actor: some(&wanted.actor),
        outcome: None,
        site_id: some(&wanted.site),
        submission_id: submission.map_err(|_| "a submission's id is a UUID".to_owned())?,
        bound: bound.clone(),
        limit: SHOWN,
    })
}

fn row(found: Found) -> Row {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let details = found.details.as_ref().and_then(Value::as_object).into_iter().flatten();
    let details = details.filter(|(_, value)| !value.is_null());
    let details = details.map(|(name, value)| (name.clone(), text(value))).collect();
    Row { at: words::instant(found.at), details, found }
}
