//! `GET /api/v1/epro/submissions/{id}`: where a submission stands.

mod answer;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use epro_store::status::{Access, SubmissionStatus};
use uuid::Uuid;

pub(crate) use self::answer::Answer;
use crate::door::Door;
use crate::refusal::{Kind, Refusal, json};
use crate::router::Route;
use crate::submit::delegate;
use crate::visit::Visit;
use epro_process::auth::Caller;

/// How long PostgreSQL may take. A server that is silent, not gone, would cost several times as much: a
/// connection to be verified, another to be made, the answer.
const LOOK_UP: Duration = Duration::from_secs(3);

pub(crate) async fn handle(
    State(door): State<Arc<Door>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Response {
    let mut visit = Visit::begin(&door, Route::Status);
    let id = id.ok().and_then(|Path(id)| id.parse().ok());
    let outcome = status(&door, &mut visit, id, &headers).await;
    visit.answer(outcome)
}

async fn status(
    door: &Door,
    visit: &mut Visit<'_>,
    id: Option<Uuid>,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let caller = door.verifier.caller(headers)?;
    visit.by(&caller);
    let id = id.ok_or(Kind::IdMalformed)?;
    visit.about(id);
    let found = tokio::time::timeout(LOOK_UP, find(door, visit, &caller, id)).await;
    let found = found.map_err(|_| Kind::StoreAway)??;
    Ok(json(200, "application/json", &Answer::from(found)))
}

/// Staff see what belongs to their sites and studies, a patient what is their own. Something of
/// somebody else's and something that isn't there look the same.
async fn find(
    door: &Door,
    visit: &mut Visit<'_>,
    caller: &Caller,
    id: Uuid,
) -> Result<SubmissionStatus, Refusal> {
    visit.actor(delegate(door, caller));
    let accesses = accesses(door, caller)?;
    let _slot = door.requests.try_acquire().map_err(|_| Kind::Busy)?;
    for access in accesses {
        if let Access::Subject(pseudonym) = access {
            visit.actor(pseudonym);
        }
        if let Some(found) = look_up(door, id, &access).await? {
            return Ok(found);
        }
    }
    Err(Kind::SubmissionUnknown.into())
}

/// As whom a caller may look: for their sites, and as a patient in each of their studies.
pub(crate) fn accesses(door: &Door, caller: &Caller) -> Result<Vec<Access>, Refusal> {
    if !caller.may_read_site && !caller.may_submit {
        return Err(Kind::ScopeMissing.into());
    }
    let staff = Access::Sites { studies: caller.studies.clone(), sites: caller.sites.clone() };
    let studies = door.studies.iter().filter(|study| caller.may_submit && caller.studies.contains(study));
    let own = studies.map(|study| Access::Subject(door.pseudonyms.pseudonym(study, caller.sub.expose())));
    Ok(caller.may_read_site.then_some(staff).into_iter().chain(own).collect())
}

async fn look_up(door: &Door, id: Uuid, access: &Access) -> Result<Option<SubmissionStatus>, Refusal> {
    door.store.submission_status(id, access).await.map_err(|error| {
        tracing::debug!(%error, "a status could not be looked up");
        Kind::StoreAway.into()
    })
}
