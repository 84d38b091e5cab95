//! `POST /api/v1/epro/submit`: one submission.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use epro_schemas::envelope;
use epro_schemas::submission::MAX_BYTES;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use crate::body;
use crate::door::Door;
use crate::intake::{self, Arrival, Received};
use crate::refusal::{Kind, Refusal, json};
use crate::router::Route;
use crate::visit::Visit;
use epro_process::auth::Caller;

/// The broker has it; where it stands is told under `Location`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Received")]
pub(crate) struct Answer {
    /// Always `received`.
    status: &'static str,
    /// The submission's id.
    submission_id: Uuid,
}

pub(crate) async fn handle(
    State(door): State<Arc<Door>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let mut visit = Visit::begin(&door, Route::Submit);
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
    let _slot = door.requests.try_acquire().map_err(|_| Kind::Busy)?;
    body::check_type(request.headers(), &["application/json"])?;
    let trace = visit.trace();
    let bytes = body::read(request.into_body(), MAX_BYTES, door.body_timeout).await?;
    let arrival =
        Arrival { caller: &caller, from: from.ip(), through: envelope::Door::Native, trace: &trace };
    let outcome = intake::take(door, &arrival, &bytes).await;
    door.tally.submission("native", &outcome);
    Ok(accepted(&outcome?))
}

/// Only who may submit at all gets as far as the body.
pub(crate) fn check_scope(visit: &mut Visit<'_>, caller: &Arc<Caller>) -> Result<(), Refusal> {
    visit.sender(caller);
    if caller.may_submit || caller.may_submit_any { Ok(()) } else { Err(Kind::ScopeMissing.into()) }
}

/// The pseudonym of somebody who submits: a patient's in the first of their studies, or a delegate's.
pub(crate) fn sender(door: &Door, caller: &Caller) -> Uuid {
    match caller.studies.first() {
        Some(study) if caller.may_submit => door.pseudonyms.pseudonym(study, caller.sub.expose()),
        _ => delegate(door, caller),
    }
}

/// The pseudonym of somebody who is no patient. No study is named like this.
pub(crate) fn delegate(door: &Door, caller: &Caller) -> Uuid {
    door.pseudonyms.pseudonym("#delegate", caller.sub.expose())
}

/// Where a submission's status is.
pub(crate) fn location(submission_id: Uuid) -> String {
    format!("/api/v1/epro/submissions/{submission_id}")
}

/// 202, which only a receipt can make.
fn accepted(received: &Received) -> Response {
    let submission_id = received.submission_id;
    let mut response = json(202, "application/json", &Answer { status: "received", submission_id });
    if let Ok(location) = HeaderValue::try_from(location(submission_id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}
