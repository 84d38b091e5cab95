//! `POST /fhir/R4`: a Bundle of QuestionnaireResponses, an answer for each, in order.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use epro_schemas::envelope;
use epro_schemas::fhir::{Bundle, BundleKind};
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::stored::{self, Expected, PATIENCE};
use super::{TYPE, TYPES, create, incoming, location, outcome};
use crate::batch::{self, MAX_BATCH_BYTES, MAX_ITEMS};
use crate::body;
use crate::door::Door;
use crate::intake::Arrival;
use crate::refusal::{self, Kind, Refusal};
use crate::router::Route;
use crate::submit::check_scope;
use crate::visit::Visit;

/// One entry of a batch as it came.
type Part = Result<(Bytes, Option<String>), Refusal>;

pub(crate) async fn handle(
    State(door): State<Arc<Door>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let mut visit = Visit::begin(&door, Route::FhirBatch);
    let outcome = submit(&door, &mut visit, from, request).await;
    visit.answer(outcome)
}

async fn submit(
    door: &Door,
    visit: &mut Visit<'_>,
    from: SocketAddr,
    request: Request,
) -> Result<Response, Refusal> {
    let caller = door.verifier.caller(request.headers())?;
    visit.by(&caller)?;
    check_scope(visit, &caller)?;
    super::negotiate::json_will_do(request.uri(), request.headers())?;
    let _batch = door.batches.try_acquire().map_err(|_| Kind::Busy)?;
    body::check_type(request.headers(), &TYPES)?;
    let trace = visit.trace();
    let bytes = body::read(request.into_body(), MAX_BATCH_BYTES, door.body_timeout).await?;
    let (kind, parts) = parts(&bytes)?;
    visit.charge(&caller, parts.len(), "Bundle.entry")?;
    let arrival =
        Arrival { caller: &caller, from: from.ip(), through: envelope::Door::Native, trace: &trace };
    let admit = |part: &Part| {
        let (bytes, none_exist) = part.as_ref().map_err(Refusal::clone)?;
        incoming::admit(door, &arrival, batch::in_bounds(bytes)?, none_exist.as_deref())
    };
    let outcomes = batch::receive(door, "fhir_batch", parts, admit).await;
    answer(door, visit, kind, outcomes).await
}

/// The entries, or why there is nothing to be answered one by one.
fn parts(bytes: &Bytes) -> Result<(BundleKind, Vec<Part>), Refusal> {
    let bundle = Bundle::parse(bytes, MAX_ITEMS).map_err(|violation| {
        let json = serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok();
        Refusal { kind: if json { Kind::Invalid } else { Kind::NotJson }, errors: vec![violation] }
    })?;
    if bundle.entries.len() > MAX_ITEMS {
        return Err(Kind::TooMany.into());
    }
    if bundle.kind == BundleKind::Transaction && bundle.entries.len() > 1 {
        return Err(Kind::TransactionUnsupported.into());
    }
    let part = |entry| match entry {
        Ok(epro_schemas::fhir::BundleEntry { resource, none_exist }) => {
            Ok((bytes.slice_ref(resource), none_exist))
        }
        Err(violation) => Err(Refusal { kind: Kind::Invalid, errors: vec![violation] }),
    };
    Ok((bundle.kind, bundle.entries.into_iter().map(part).collect()))
}

async fn answer(
    door: &Door,
    visit: &Visit<'_>,
    kind: BundleKind,
    outcomes: Vec<Result<(Uuid, Expected), Refusal>>,
) -> Result<Response, Refusal> {
    let unavailable = batch::unavailable(&outcomes)?;
    // They are committed together: once the first is there, the others need one look each.
    let until = Instant::now() + PATIENCE;
    let mut entries = Vec::with_capacity(outcomes.len());
    for outcome in outcomes {
        let entry = match outcome {
            Ok((id, expected)) => {
                create::status(stored::fate(door, &expected, until).await).map(|status| taken(id, status))
            }
            Err(refusal) => Err(refusal),
        };
        entries.push(match entry {
            Ok(entry) => entry,
            // One that is all or nothing is refused as a whole.
            Err(refusal) if kind == BundleKind::Transaction => return Err(refusal),
            Err(refusal) => {
                visit.note("refused", refusal.kind.status(), refusal.kind.class());
                let status = line(refusal.kind.status());
                json!({"response": {"status": status, "outcome": outcome::refused(&refusal)}})
            }
        });
    }
    let name = if kind == BundleKind::Batch { "batch-response" } else { "transaction-response" };
    let bundle = json!({"resourceType": "Bundle", "type": name, "entry": entries});
    let mut response = refusal::json(200, TYPE, &bundle);
    if let Some(seconds) = unavailable.and_then(Kind::retry_after) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    Ok(response)
}

fn taken(id: Uuid, status: axum::http::StatusCode) -> Value {
    let stored = status != axum::http::StatusCode::ACCEPTED;
    let location = if stored { location(id) } else { crate::submit::location(id) };
    let mut response = json!({"status": line(status.as_u16()), "location": location});
    if stored {
        response["etag"] = json!("W/\"1\"");
    }
    json!({"response": response})
}

/// `201 Created`.
fn line(status: u16) -> String {
    let status = axum::http::StatusCode::from_u16(status).unwrap_or_default();
    status.to_string()
}
