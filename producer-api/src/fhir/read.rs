//! `GET /fhir/R4/QuestionnaireResponse/{id}`: what is stored, without its patient unless the scope says otherwise.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::Response;
use epro_store::StoreError;
use epro_store::responses::{SealedSubmission, StoredResponse};
use epro_store::status::Access;
use uuid::Uuid;

use super::{TYPE, create, identified, negotiate, resource};
use crate::door::Door;
use crate::refusal::{Kind, Refusal, json};
use crate::router::Route;
use crate::status::accesses;
use crate::submit::delegate;
use crate::visit::Visit;
use epro_process::auth::Caller;

/// How long PostgreSQL may take.
const LOOK_UP: Duration = Duration::from_secs(3);

pub(crate) async fn handle(
    State(door): State<Arc<Door>>,
    id: Result<Path<String>, PathRejection>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let mut visit = Visit::begin(&door, Route::FhirRead);
    let id = id.ok().and_then(|Path(id)| id.parse().ok());
    let outcome = read(&door, &mut visit, id, (&uri, &headers)).await;
    visit.answer(outcome)
}

async fn read(
    door: &Door,
    visit: &mut Visit<'_>,
    id: Option<Uuid>,
    (uri, headers): (&Uri, &HeaderMap),
) -> Result<Response, Refusal> {
    let caller = door.verifier.caller(headers)?;
    visit.by(&caller)?;
    negotiate::json_will_do(uri, headers)?;
    let id = id.ok_or(Kind::IdMalformed)?;
    visit.about(id);
    let found = tokio::time::timeout(LOOK_UP, find(door, visit, &caller, id)).await;
    let found = found.map_err(|_| Kind::StoreAway)??;
    let (found, came) = found;
    let shows_patient = came.is_some();
    let (shown, version) = match came {
        None => (resource::of(door, id, &found), create::VERSION),
        Some(came) => {
            visit.doing("submission.read_identified");
            (identified::of(door, id, &found, &came)?, create::VERSION_IDENTIFIED)
        }
    };
    let mut response = json(200, TYPE, &shown);
    create::versioned(&mut response, version, Some(&found));
    if known(headers, version) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        create::empty(&mut response);
    } else if shows_patient {
        visit.witness(200).await?;
    }
    Ok(response)
}

async fn find(
    door: &Door,
    visit: &mut Visit<'_>,
    caller: &Caller,
    id: Uuid,
) -> Result<(StoredResponse, Option<SealedSubmission>), Refusal> {
    visit.actor(delegate(door, caller));
    let accesses = accesses(door, caller)?;
    let _slot = door.requests.try_acquire().map_err(|_| Kind::Busy)?;
    for access in accesses {
        if let Access::Subject(pseudonym) = access {
            visit.actor(pseudonym);
        }
        let found = door.store.response(id, &access).await.map_err(away)?;
        let Some(found) = found else { continue };
        let came = match access {
            Access::Sites { .. } if caller.may_read_identified => {
                let came = door.store.sealed_submission(id, &access).await.map_err(away)?;
                Some(came.ok_or(Kind::SubmissionUnknown)?)
            }
            _ => None,
        };
        return Ok((found, came));
    }
    Err(Kind::SubmissionUnknown.into())
}

/// Whether the client has it already. Weak comparison: the `W/` says nothing.
fn known(headers: &HeaderMap, version: &str) -> bool {
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let lines = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|tag| tag.trim() == "*" || bare(tag) == bare(version))
}

fn away(error: StoreError) -> Kind {
    tracing::debug!(%error, "a response could not be looked up");
    Kind::StoreAway
}
