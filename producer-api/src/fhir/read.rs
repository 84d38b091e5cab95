//! `GET /fhir/R4/QuestionnaireResponse/{id}`: what is stored, without its patient.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use epro_store::responses::StoredResponse;
use epro_store::status::Access;
use uuid::Uuid;

use super::{TYPE, create, resource};
use crate::auth::Caller;
use crate::door::Door;
use crate::refusal::{Kind, Refusal, json};
use crate::router::Route;
use crate::status::accesses;
use crate::submit::delegate;
use crate::visit::Visit;

/// How long PostgreSQL may take.
const LOOK_UP: Duration = Duration::from_secs(3);

pub(crate) async fn handle(
    State(door): State<Arc<Door>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Response {
    let mut visit = Visit::begin(&door, Route::FhirRead);
    let id = id.ok().and_then(|Path(id)| id.parse().ok());
    let outcome = read(&door, &mut visit, id, &headers).await;
    visit.answer(outcome)
}

async fn read(
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
    let mut response = json(200, TYPE, &resource::of(door, id, &found));
    create::versioned(&mut response, Some(&found));
    Ok(response)
}

async fn find(
    door: &Door,
    visit: &mut Visit<'_>,
    caller: &Caller,
    id: Uuid,
) -> Result<StoredResponse, Refusal> {
    visit.actor(delegate(door, caller));
    let accesses = accesses(door, caller)?;
    let _slot = door.requests.try_acquire().map_err(|_| Kind::Busy)?;
    for access in accesses {
        if let Access::Subject(pseudonym) = access {
            visit.actor(pseudonym);
        }
        let found = door.store.response(id, &access).await.map_err(|error| {
            tracing::debug!(%error, "a response could not be looked up");
            Kind::StoreAway
        })?;
        if let Some(found) = found {
            return Ok(found);
        }
    }
    Err(Kind::SubmissionUnknown.into())
}
