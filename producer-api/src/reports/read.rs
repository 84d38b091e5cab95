//! `GET /api/v1/reports/{id}`: a report, for the staff of its site.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use epro_process::auth::Caller;
use epro_store::StoreError;
use epro_store::reports::ReportNow;
use time::OffsetDateTime;
use tokio::time::Instant;
use uuid::Uuid;

use super::{answer, prefer, wait};
use crate::door::Door;
use crate::job_id;
use crate::refusal::{Kind, Refusal};
use crate::router::Route;
use crate::submit::delegate;
use crate::visit::Visit;

/// How long PostgreSQL may take.
const LOOK_UP: Duration = Duration::from_secs(3);

pub(crate) async fn handle(
    State(door): State<Arc<Door>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Response {
    let mut visit = Visit::begin(&door, Route::Report);
    let id = id.ok().and_then(|Path(id)| id.parse().ok());
    let outcome = read(&door, &mut visit, id, &headers).await;
    visit.answer(outcome)
}

/// Somebody else's report and one that isn't there look the same.
async fn read(
    door: &Door,
    visit: &mut Visit<'_>,
    id: Option<Uuid>,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let caller = door.verifier.caller(headers)?;
    visit.by(&caller)?;
    visit.actor(delegate(door, &caller));
    if !caller.may_report {
        return Err(Kind::ScopeMissing.into());
    }
    let id = id.ok_or(Kind::IdMalformed)?;
    visit.about_report(id);
    let slot = door.requests.try_acquire().map_err(|_| Kind::Busy)?;
    let found = door.store.report(id, (&caller.studies, &caller.sites), LOOK_UP).await;
    drop(slot);
    let underway = match found {
        Ok(Some(ReportNow::Done(sealed))) => return shown(door, visit, id, &sealed).await,
        Ok(Some(ReportNow::Running)) => true,
        Ok(None) => is_queued(door, &caller, id).await?,
        Err(error) => return Err(away(&error)),
    };
    let Some(seconds) = prefer::wait(headers) else {
        return if underway { Ok(answer::underway(id)) } else { Err(Kind::ReportUnknown.into()) };
    };
    let until = Instant::now() + seconds.min(door.reports.longest);
    match wait::sealed(door, &caller, id, until).await {
        Ok(Some(sealed)) => Ok(answer::waited(shown(door, visit, id, &sealed).await?, seconds)),
        // Somebody else's may be on its way as well: whoever waits gets it.
        _ if !underway => Err(Kind::ReportUnknown.into()),
        Ok(None) => Ok(answer::waited(answer::underway(id), seconds)),
        Err(()) => Ok(answer::underway(id)),
    }
}

/// The report, once the audit trail is told of this reading.
async fn shown(door: &Door, visit: &mut Visit<'_>, id: Uuid, sealed: &[u8]) -> Result<Response, Refusal> {
    let report = answer::done(door, id, sealed)?;
    visit.witness(200).await?;
    Ok(report)
}

/// Whether its job waits: asked for by this caller, not so long ago that it can have been made and have expired, and
/// not set aside.
async fn is_queued(door: &Door, caller: &Caller, id: Uuid) -> Result<bool, Refusal> {
    let made_at = job_id::made_at(&door.pseudonyms, job_id::REPORT, caller.sub.expose(), id);
    if made_at.is_none_or(|at| OffsetDateTime::now_utc() - at >= door.keep_reports) {
        return Ok(false);
    }
    let looking = tokio::time::timeout(LOOK_UP, door.store.is_set_aside(id)).await;
    Ok(!looking.map_err(|_| Kind::StoreAway)?.map_err(|error| away(&error))?)
}

fn away(error: &StoreError) -> Refusal {
    tracing::debug!(%error, "a report could not be looked up");
    Kind::StoreAway.into()
}
