//! `DELETE /api/v1/exports/{id}`: a command. Published, then 202.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use epro_schemas::export::ExportCancel;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::{message, theirs};
use crate::door::Door;
use crate::refusal::{Kind, Refusal, json};
use crate::router::Route;
use crate::submit::delegate;
use crate::visit::Visit;

/// The broker has it; a worker ends the export and deletes what it has written.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ExportCancelReceived")]
pub(crate) struct Answer {
    /// Always `received`.
    status: &'static str,
    /// The export's id.
    export_id: Uuid,
}

pub(crate) async fn handle(
    State(door): State<Arc<Door>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Response {
    let mut visit = Visit::begin(&door, Route::ExportCancel);
    let id = id.ok().and_then(|Path(id)| id.parse().ok());
    let outcome = cancel(&door, &mut visit, id, &headers).await;
    visit.answer(outcome)
}

async fn cancel(
    door: &Door,
    visit: &mut Visit<'_>,
    id: Option<Uuid>,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let caller = door.verifier.caller(headers)?;
    visit.by(&caller)?;
    let actor = delegate(door, &caller);
    visit.actor(actor);
    let export_id = id.ok_or(Kind::IdMalformed)?;
    visit.export(export_id);
    let _slot = door.requests.try_acquire().map_err(|_| Kind::Busy)?;
    theirs(door, &caller, export_id).await?;
    let trace = visit.trace();
    let client = caller.client.as_deref().map(str::to_owned);
    let (from_network, trace_id) = (visit.network(), Some(trace.id().to_owned()));
    let body = ExportCancel { export_id, actor, client, from_network, trace_id };
    let mut message = message(door, Uuid::now_v7(), trace, &body)?;
    let publishing = crate::trace::publish(&mut message);
    let _receipt = door.publisher.publish(message).await?;
    drop(publishing);
    Ok(json(202, "application/json", &Answer { status: "received", export_id }))
}
