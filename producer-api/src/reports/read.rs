//! `GET /api/v1/reports/{id}`: a report, for the staff of its site.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use epro_store::reports::ReportNow;
use tokio::time::Instant;
use uuid::Uuid;

use super::{answer, prefer, wait};
use crate::door::Door;
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
    match found {
        Ok(Some(ReportNow::Done(sealed))) => answer::done(door, id, &sealed),
        Ok(Some(ReportNow::Running)) => {
            let Some(seconds) = prefer::wait(headers) else { return Ok(answer::underway(id)) };
            let until = Instant::now() + seconds.min(door.reports.longest);
            match wait::sealed(door, &caller, id, until).await {
                Ok(Some(sealed)) => Ok(answer::waited(answer::done(door, id, &sealed)?, seconds)),
                Ok(None) => Ok(answer::waited(answer::underway(id), seconds)),
                Err(()) => Ok(answer::underway(id)),
            }
        }
        // Nobody may have taken it in hand yet: whoever waits gets it all the same.
        Ok(None) => match prefer::wait(headers) {
            None => Err(Kind::ReportUnknown.into()),
            Some(seconds) => {
                let until = Instant::now() + seconds.min(door.reports.longest);
                match wait::sealed(door, &caller, id, until).await {
                    Ok(Some(sealed)) => Ok(answer::waited(answer::done(door, id, &sealed)?, seconds)),
                    Ok(None) | Err(()) => Err(Kind::ReportUnknown.into()),
                }
            }
        },
        Err(error) => {
            tracing::debug!(%error, "a report could not be looked up");
            Err(Kind::StoreAway.into())
        }
    }
}
