//! `/alerts`: dangerous answers, who was told, what nobody has acknowledged; closing one with a reason.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use epro_store::Bound;
use epro_store::alerts::{AlertNow, Ended, NoticeRow};
use serde::Deserialize;
use uuid::Uuid;

use super::act::Form;
use super::acting::{self, Acting};
use super::desk::{Desk, done};
use super::frame::{Frame, page};
use super::live_page::{self, Still};
use super::picture::{KEPT, Picture};
use super::refused::Refused;
use super::visitor::Visitor;
use super::words;
use crate::alerts;

/// Alerts that are listed with those that are done.
const LISTED: u32 = 200;

#[derive(Template)]
#[template(path = "alerts.html")]
struct Live {
    seen: bool,
    all: bool,
    total: String,
    untold: i64,
    /// There are more than are looked at.
    hidden: bool,
    rows: Vec<Row>,
}

#[derive(Template)]
#[template(path = "alerts_all.html")]
struct All {
    frame: Frame,
    site: String,
    error: Option<String>,
    list: String,
}

#[derive(Template)]
#[template(path = "alert.html")]
struct One {
    frame: Frame,
    alert: AlertNow,
    row: Row,
    notices: Vec<Notice>,
    open: bool,
}

struct Row {
    id: Uuid,
    severity: String,
    rule: String,
    site: String,
    study: String,
    since: String,
    age: String,
    told: String,
    standing: &'static str,
    mood: &'static str,
}

struct Notice {
    row: NoticeRow,
    mood: &'static str,
    last: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Wanted {
    all: Option<String>,
    site: Option<String>,
    #[serde(flatten)]
    still: Still,
}

/// The undone ones, live; with `?all=1` the newest of all.
pub(crate) async fn list(
    State(desk): State<Arc<Desk>>,
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Response {
    if wanted.all.is_none() {
        return live_page::ALERTS.page(&desk, visitor, &wanted.still);
    }
    let site = wanted.site.filter(|site| !site.is_empty());
    let bound = &visitor.session.bound;
    let found =
        desk.ask(async |store| store.alerts_within(false, site.as_deref(), bound, LISTED).await).await;
    let (rows, error) = match found {
        Ok(found) => (found.iter().map(row).collect(), None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let (seen, total) = (error.is_none(), String::new());
    let list = Live { seen, all: true, total, untold: 0, hidden: false, rows };
    let list = list.render().unwrap_or_default();
    let frame = Frame::of(&desk, visitor, "/alerts", "All alerts");
    page(&All { frame, site: site.unwrap_or_default(), error, list })
}

pub(crate) fn draw(_: &Desk, bound: &Bound, picture: &Picture) -> String {
    let tables = picture.tables.what();
    let newest = tables.map_or(&[][..], |tables| &tables.alerts[..]);
    let rows: Vec<Row> = newest.iter().filter(|alert| is_theirs(bound, alert)).map(row).collect();
    let (total, untold) = tables.map_or((0, 0), |tables| tables.undone(bound));
    let all_are_looked_at = newest.len() < KEPT as usize;
    let hidden = !all_are_looked_at && total > i64::try_from(rows.len()).unwrap_or(i64::MAX);
    let (seen, total) = (tables.is_some(), words::count(total));
    Live { seen, all: false, total, untold, hidden, rows }.render().unwrap_or_default()
}

fn is_theirs(bound: &Bound, alert: &AlertNow) -> bool {
    bound.has(Some(&alert.study_id), Some(&alert.site_id))
}

/// One with its notices.
pub(crate) async fn show(
    State(desk): State<Arc<Desk>>,
    visitor: Visitor,
    Path(id): Path<String>,
    Query(still): Query<Still>,
) -> Result<Response, Refused> {
    let id = id.parse::<Uuid>().map_err(|_| Refused::absent("That is no alert's id."))?;
    let found =
        desk.ask(async |store| store.alert(id).await).await.map_err(|why| Refused::unseen(&desk, &why))?;
    let found = found.filter(|(alert, _)| is_theirs(&visitor.session.bound, alert));
    let (alert, notices) = found.ok_or_else(|| Refused::absent("There is no such alert."))?;
    let notices = notices.into_iter().map(|row| Notice {
        mood: if row.state == "sent" { "ok" } else { "bad" },
        last: words::instant(row.last_at),
        row,
    });
    let frame = Frame::of(&desk, visitor, "/alerts", format!("Alert {}", alert.rule)).telling(still.told());
    let (row, open) = (row(&alert), alert.state != "done");
    Ok(page(&One { frame, row, notices: notices.collect(), open, alert }))
}

/// Ends one that nobody will acknowledge.
pub(crate) async fn close(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    form: Form,
) -> Result<Response, Refused> {
    let Acting { who, reason, mut chain } = acting::begin(&desk, &form, Visitor::needs_operator).await?;
    let id = id.parse::<Uuid>().map_err(|_| Refused::absent("That is no alert's id."))?;
    if let Some((study, site)) = done(desk.store().alert_place(id)).await? {
        form.visitor.needs_own(Some(&study), Some(&site))?;
    }
    let bound = &form.visitor.session.bound;
    match done(desk.store().close_alert_within(&mut chain, id, bound, who, reason)).await? {
        Ended::Now => Ok(Redirect::to(&format!("/alerts/{id}?told=closed")).into_response()),
        Ended::Already => Ok(Redirect::to(&format!("/alerts/{id}?told=done_before")).into_response()),
        Ended::NotTheirs => Err(Refused::elsewhere()),
        Ended::Absent => Err(Refused::absent("There is no such alert.")),
    }
}

fn row(alert: &AlertNow) -> Row {
    let since = alert.received_at.unwrap_or(alert.created_at);
    let standing = alerts::standing(alert);
    Row {
        id: alert.alert_id,
        severity: alert.severity.clone(),
        rule: alert.rule.clone(),
        site: alert.site_id.clone(),
        study: alert.study_id.clone(),
        since: words::instant(since),
        age: words::age(since),
        told: format!("{} told, {} not", alert.told, alert.untold),
        standing,
        mood: match standing {
            "acknowledged" | "closed" => "ok",
            "repeats another" => "quiet",
            "nobody is told" => "bad",
            _ => "look",
        },
    }
}
