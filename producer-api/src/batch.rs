//! `POST /api/v1/epro/submit/batch`: up to 1,000 submissions, an outcome for each, in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Bytes;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use epro_schemas::envelope;
use epro_schemas::submission::{MAX_BYTES, split};
use epro_schemas::violation::Violation;
use futures_util::StreamExt as _;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;
use uuid::Uuid;

use crate::body;
use crate::door::Door;
use crate::intake::{self, Admitted, Arrival};
use crate::refusal::{Kind, Refusal, json};
use crate::router::Route;
use crate::submit::{check_scope, location};
use crate::visit::Visit;

/// Most submissions in a batch.
pub(crate) const MAX_ITEMS: usize = 1000;
/// Largest body of a batch, in bytes.
pub(crate) const MAX_BATCH_BYTES: usize = 8 * 1024 * 1024;

/// What became of each item, in the order of the batch.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "BatchOutcome")]
pub(crate) struct Answer {
    /// How many were received.
    received: usize,
    /// How many were refused; each says why.
    refused: usize,
    /// One outcome for each item.
    items: Vec<Item>,
}

/// What became of one item: what `submit` would have answered.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ItemOutcome")]
struct Item {
    /// 202, or the status of the refusal.
    status: u16,
    /// The submission's id, with 202.
    #[serde(skip_serializing_if = "Option::is_none")]
    submission_id: Option<Uuid>,
    /// Where it stands is told there, with 202.
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    /// What kind of problem it is: a place in `/docs`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    /// The kind in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'static str>,
    /// Everything that is wrong with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Violation>,
}

pub(crate) async fn handle(
    State(door): State<Arc<Door>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let mut visit = Visit::begin(&door, Route::Batch);
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
    let _batch = door.batches.try_acquire().map_err(|_| Kind::Busy)?;
    body::check_type(request.headers(), &["application/json", "application/x-ndjson"])?;
    let trace = visit.trace();
    let bytes = body::read(request.into_body(), MAX_BATCH_BYTES, door.body_timeout).await?;
    let parts = split(&bytes, MAX_ITEMS).map_err(|violation| not_a_batch(&bytes, violation))?;
    visit.charge(&caller, parts.len(), "")?;
    let arrival = Arrival { caller: &caller, from: from.ip(), through: envelope::Door::Batch, trace: &trace };
    let parts = parts.into_iter().map(|part| bytes.slice_ref(part)).collect();
    let admit = |part: &Bytes| Ok((intake::admit(door, &arrival, in_bounds(part)?)?, ()));
    let outcomes = receive(door, "batch", parts, admit).await;
    answer(visit, outcomes.into_iter().map(|outcome| outcome.map(|(id, ())| id)).collect())
}

/// Too many items (413) or no batch at all (400): what splits with a higher bound was too long.
fn not_a_batch(bytes: &[u8], violation: Violation) -> Refusal {
    let too_many = split(bytes, 100 * MAX_ITEMS).is_ok();
    Refusal { kind: if too_many { Kind::TooMany } else { Kind::NotABatch }, errors: vec![violation] }
}

/// Publishes the items side by side. Once one got no answer from the broker, or the batch has taken
/// as long as four submissions may, those not yet under way are not tried: nobody waits a thousand
/// times in turn.
pub(crate) async fn receive<P, E>(
    door: &Door,
    through: &'static str,
    parts: Vec<P>,
    admit: impl Fn(&P) -> Result<(Admitted, E), Refusal>,
) -> Vec<Result<(Uuid, E), Refusal>> {
    let end = Instant::now() + 4 * door.confirm_timeout;
    let over = &AtomicBool::new(false);
    futures_util::stream::iter(parts)
        .map(async |part: P| {
            let tried = !over.load(Ordering::Relaxed) && Instant::now() < end;
            let outcome = match admit(&part) {
                Ok((admitted, more)) => one(door, admitted, tried).await.map(|id| (id, more)),
                Err(refusal) => Err(refusal),
            };
            if outcome.as_ref().is_err_and(|refusal| silence(refusal.kind)) {
                over.store(true, Ordering::Relaxed);
            }
            door.tally.submission(through, &outcome);
            outcome
        })
        .buffered(door.batch_width)
        .collect()
        .await
}

/// Whether the next item would most likely wait for nothing.
fn silence(kind: Kind) -> bool {
    matches!(kind, Kind::BrokerAway | Kind::BrokerBlocked | Kind::Unconfirmed | Kind::Busy)
}

/// An item that isn't longer than a submission may be.
pub(crate) fn in_bounds(bytes: &Bytes) -> Result<&Bytes, Refusal> {
    if bytes.len() > MAX_BYTES { Err(Kind::TooLarge.into()) } else { Ok(bytes) }
}

async fn one(door: &Door, admitted: Admitted, tried: bool) -> Result<Uuid, Refusal> {
    if !tried {
        return Err(Kind::NotTried.into());
    }
    Ok(intake::publish(door, admitted, Some(door.confirm_timeout)).await?.submission_id)
}

/// 200 with the outcomes; 503 if the only thing wrong is that nothing can be accepted now.
fn answer(visit: &Visit<'_>, outcomes: Vec<Result<Uuid, Refusal>>) -> Result<Response, Refusal> {
    let unavailable = unavailable(&outcomes)?;
    let received = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let refused = outcomes.len() - received;
    let items = outcomes.into_iter().map(|outcome| item(visit, outcome)).collect();
    let mut response = json(200, "application/json", &Answer { received, refused, items });
    if let Some(seconds) = unavailable.and_then(Kind::retry_after) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    Ok(response)
}

/// Why some could not be accepted now; a refusal if that is so of all of them.
pub(crate) fn unavailable<T>(outcomes: &[Result<T, Refusal>]) -> Result<Option<Kind>, Refusal> {
    let found = outcomes.iter().find_map(|outcome| match outcome {
        Err(refusal) if refusal.kind.status() == 503 => Some(refusal.kind),
        _ => None,
    });
    let all = outcomes.iter().all(|outcome| matches!(outcome, Err(refusal) if refusal.kind.status() == 503));
    match found {
        Some(kind) if all => Err(kind.into()),
        found => Ok(found),
    }
}

fn item(visit: &Visit<'_>, outcome: Result<Uuid, Refusal>) -> Item {
    match outcome {
        Ok(id) => Item {
            status: 202,
            submission_id: Some(id),
            location: Some(location(id)),
            kind: None,
            title: None,
            errors: Vec::new(),
        },
        Err(refusal) => {
            visit.note("refused", refusal.kind.status(), refusal.kind.class());
            let problem = refusal.problem();
            Item {
                status: problem.status,
                submission_id: None,
                location: None,
                kind: Some(problem.kind),
                title: Some(problem.title),
                errors: problem.errors,
            }
        }
    }
}
