//! `GET /api/v1/exports/{id}`: how far it is, and its files once all of them are there.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use epro_store::exports::{ExportFile, ExportStatus};
use schemars::JsonSchema;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::{Early, Known, LOOK_UP, Stands, location, theirs};
use crate::door::Door;
use crate::refusal::{Kind, Refusal, json};
use crate::router::Route;
use crate::submit::delegate;
use crate::visit::Visit;

/// How far an export is.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ExportStatus")]
pub(crate) struct Answer {
    export_id: Uuid,
    /// queued, running, cancelling, done, failed, cancelled or expired.
    state: String,
    /// csv, ndjson or documents; null until a worker has written the request down.
    format: Option<String>,
    /// With what identifies patients; null until a worker has written the request down.
    identified: Option<bool>,
    /// Responses written so far.
    rows: i64,
    /// Bytes written so far.
    bytes: i64,
    /// How many responses there will be, once that is counted.
    estimate: Option<i64>,
    /// RFC 3339.
    requested_at: Option<String>,
    started_at: Option<String>,
    finished_at: Option<String>,
    /// Until when its files can be fetched.
    expires_at: Option<String>,
    /// Why it was given up, or why the last try failed, or what the next one waits for.
    error: Option<String>,
    /// Once it is done: the manifest, then the files.
    files: Vec<File>,
}

/// A file of an export.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ExportFile")]
struct File {
    name: String,
    /// Responses in it.
    rows: i64,
    bytes: i64,
    /// In hexadecimal.
    sha256: String,
    /// Where to fetch it.
    href: String,
}

pub(crate) async fn handle(
    State(door): State<Arc<Door>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Response {
    let mut visit = Visit::begin(&door, Route::ExportStatus);
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
    visit.by(&caller)?;
    visit.actor(delegate(door, &caller));
    let id = id.ok_or(Kind::IdMalformed)?;
    visit.export(id);
    let _slot = door.requests.try_acquire().map_err(|_| Kind::Busy)?;
    let answer = match theirs(door, &caller, id).await? {
        Known::Row(found) if found.state == "done" => answer(*found, files(door, id).await?),
        Known::Row(found) => answer(*found, Vec::new()),
        Known::Early(early) => not_yet(id, &early),
    };
    Ok(json(200, "application/json", &answer))
}

/// Its finished files.
pub(super) async fn files(door: &Door, id: Uuid) -> Result<Vec<ExportFile>, Refusal> {
    let files = tokio::time::timeout(LOOK_UP, door.store.export_files(id)).await;
    Ok(files.map_err(|_| Kind::StoreAway)?.map_err(|_| Kind::StoreAway)?)
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn answer(found: ExportStatus, files: Vec<ExportFile>) -> Answer {
    let place = location(found.export_id);
    let file = |file: ExportFile| File {
        href: format!("{place}/files/{}", file.name),
        sha256: hex(&file.sha256),
        name: file.name,
        rows: file.rows,
        bytes: file.bytes,
    };
    Answer {
        export_id: found.export_id,
        state: found.state,
        format: Some(found.format),
        identified: Some(found.identified),
        rows: found.rows,
        bytes: found.bytes,
        estimate: found.estimate,
        requested_at: at(Some(found.requested_at)),
        started_at: at(found.started_at),
        finished_at: at(found.finished_at),
        expires_at: at(found.expires_at),
        error: found.last_error,
        files: files.into_iter().map(file).collect(),
    }
}

/// What can be said before a worker has written anything of it down.
fn not_yet(export_id: Uuid, early: &Early) -> Answer {
    let (state, error) = match early.stands {
        Stands::Queued => ("queued", None),
        Stands::Cancelled => ("cancelled", None),
        Stands::SetAside => ("failed", Some("the request was set aside for an operator")),
    };
    Answer {
        export_id,
        state: state.to_owned(),
        format: None,
        identified: None,
        rows: 0,
        bytes: 0,
        estimate: None,
        requested_at: at(Some(early.asked_at)),
        started_at: None,
        finished_at: None,
        expires_at: None,
        error: error.map(str::to_owned),
        files: Vec::new(),
    }
}

fn at(instant: Option<OffsetDateTime>) -> Option<String> {
    instant.and_then(|instant| instant.format(&Rfc3339).ok())
}
