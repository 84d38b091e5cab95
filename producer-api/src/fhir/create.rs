//! `POST /fhir/R4/QuestionnaireResponse`: one completed questionnaire.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use epro_schemas::envelope;
use epro_schemas::submission::MAX_BYTES;
use epro_store::dead_letters::Class;
use epro_store::responses::{Fate, StoredResponse};
use epro_store::status::Access;
use tokio::time::Instant;
use uuid::Uuid;

use super::prefer::Prefer;
use super::stored::{self, Expected, PATIENCE};
use super::{TYPE, TYPES, incoming, location, negotiate, outcome, resource};
use crate::body;
use crate::door::Door;
use crate::intake::{self, Arrival};
use crate::refusal::{Kind, Refusal, json};
use crate::router::Route;
use crate::submit::check_scope;
use crate::visit::Visit;

pub(crate) async fn handle(
    State(door): State<Arc<Door>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let mut visit = Visit::begin(&door, Route::FhirCreate);
    let outcome = create(&door, &mut visit, from, request).await;
    visit.answer(outcome)
}

async fn create(
    door: &Door,
    visit: &mut Visit<'_>,
    from: SocketAddr,
    request: Request,
) -> Result<Response, Refusal> {
    let caller = door.verifier.caller(request.headers())?;
    visit.by(&caller)?;
    check_scope(visit, &caller)?;
    negotiate::json_will_do(request.uri(), request.headers())?;
    let prefer = Prefer::of(request.headers());
    let slot = door.requests.try_acquire().map_err(|_| Kind::Busy)?;
    body::check_type(request.headers(), &TYPES)?;
    let trace = visit.trace();
    let none_exist = match request.headers().get("if-none-exist").map(HeaderValue::to_str) {
        None => None,
        Some(Ok(condition)) => Some(condition.to_owned()),
        Some(Err(_)) => return Err(Kind::ConditionUnsupported.into()),
    };
    let bytes = body::read(request.into_body(), MAX_BYTES, door.body_timeout).await?;
    let arrival =
        Arrival { caller: &caller, from: from.ip(), through: envelope::Door::Native, trace: &trace };
    let taken = match incoming::admit(door, &arrival, &bytes, none_exist.as_deref()) {
        Ok((admitted, expected)) => intake::publish(door, admitted, None).await.map(|_| expected),
        Err(refusal) => Err(refusal),
    };
    door.tally.submission("fhir", &taken);
    let expected = taken?;
    // Whoever waits for the store keeps nobody from the broker.
    drop(slot);
    let fate = stored::fate(door, &expected, Instant::now() + PATIENCE).await;
    match status(fate)? {
        StatusCode::ACCEPTED => Ok(accepted(expected.submission_id, prefer)),
        status => Ok(created(door, &expected, status, prefer).await),
    }
}

/// What became of it, as a status.
pub(super) fn status(fate: Option<Fate>) -> Result<StatusCode, Refusal> {
    match fate {
        None => Ok(StatusCode::ACCEPTED),
        Some(Fate::Created) => Ok(StatusCode::CREATED),
        Some(Fate::Repeated) => Ok(StatusCode::OK),
        Some(Fate::Conflict | Fate::SetAside(Class::Conflict | Class::Stale)) => Err(Kind::Conflict.into()),
        Some(Fate::SetAside(_)) => Err(Kind::SetAside.into()),
    }
}

/// The broker has it; where it stands is told under `Location`.
fn accepted(submission_id: Uuid, prefer: Prefer) -> Response {
    let body = outcome::told("It is safe and will be stored; its status is at Location");
    let mut response = json(202, TYPE, &body);
    if prefer == Prefer::Minimal {
        empty(&mut response);
    }
    put(&mut response, header::LOCATION, &crate::submit::location(submission_id));
    response
}

/// It is stored.
async fn created(door: &Door, expected: &Expected, status: StatusCode, prefer: Prefer) -> Response {
    let id = expected.submission_id;
    let found = match door.store.response(id, &Access::Subject(expected.pseudonym)).await {
        Ok(found) => found,
        Err(error) => {
            tracing::debug!(%error, "a stored response could not be read back");
            None
        }
    };
    let mut response = match (prefer, &found) {
        (Prefer::Representation, Some(found)) => json(200, TYPE, &resource::of(door, id, found)),
        (Prefer::Outcome, _) => json(200, TYPE, &outcome::told("It is stored")),
        _ => {
            let mut response = json(200, TYPE, &());
            empty(&mut response);
            response
        }
    };
    *response.status_mut() = status;
    put(&mut response, header::LOCATION, &location(id));
    versioned(&mut response, VERSION, found.as_ref());
    response
}

/// The one version there is: what is stored never changes, an amendment is another response.
pub(super) const VERSION: &str = "W/\"1\"";
/// The same with its patient: whoever has the other form hasn't got this one.
pub(super) const VERSION_IDENTIFIED: &str = "W/\"1-identified\"";

/// Says which version it is, and since when.
pub(super) fn versioned(response: &mut Response, version: &str, found: Option<&StoredResponse>) {
    put(response, header::ETAG, version);
    if let Some(at) = found.and_then(resource::changed).and_then(resource::http_date) {
        put(response, header::LAST_MODIFIED, &at);
    }
}

pub(super) fn empty(response: &mut Response) {
    *response.body_mut() = Body::empty();
    response.headers_mut().remove(header::CONTENT_TYPE);
}

fn put(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
