//! `GET /api/v1/exports/{id}/files/{name}`: a file, or a part of it, streamed from the object storage.

use std::ops::Range;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use epro_process::objects::{Objects, ObjectsError};
use epro_store::exports::ExportFile;
use futures_util::stream;
use time::OffsetDateTime;
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use super::range::{self, Asked};
use super::{Known, status, theirs};
use crate::door::Door;
use crate::refusal::{Kind, Refusal};
use crate::router::Route;
use crate::submit::delegate;
use crate::visit::Visit;

/// What is read at once and held for a slow client.
const PIECE: u64 = 512 * 1024;

pub(crate) async fn handle(
    State(door): State<Arc<Door>>,
    place: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
) -> Response {
    let mut visit = Visit::begin(&door, Route::ExportFile);
    let place = place.ok().and_then(|Path((id, name))| Some((id.parse().ok()?, name)));
    let outcome = file(&door, &mut visit, place, &headers).await;
    visit.answer(outcome)
}

async fn file(
    door: &Door,
    visit: &mut Visit<'_>,
    place: Option<(Uuid, String)>,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let caller = door.verifier.caller(headers)?;
    visit.by(&caller)?;
    visit.actor(delegate(door, &caller));
    let (id, name) = place.ok_or(Kind::IdMalformed)?;
    visit.export(id);
    let permit = Arc::clone(&door.downloads).try_acquire_owned().map_err(|_| Kind::Busy)?;
    let Known::Row(found) = theirs(door, &caller, id).await? else {
        return Err(Kind::ExportFileUnknown.into());
    };
    if found.state != "done" || found.expires_at.is_none_or(|at| at <= OffsetDateTime::now_utc()) {
        return Err(Kind::ExportFileUnknown.into());
    }
    let file = status::files(door, id).await?.into_iter().find(|file| file.name == name);
    let file = file.ok_or(Kind::ExportFileUnknown)?;
    let size = u64::try_from(file.bytes).unwrap_or(0);
    let etag = format!("\"{}\"", status::hex(&file.sha256));
    let (status, range) = match range::asked(headers, size, &etag) {
        Asked::Whole => (StatusCode::OK, 0..size),
        Asked::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Asked::Beyond => return Ok(beyond(size)),
    };
    let body = body(&door.objects, file.object.clone(), range.clone(), permit).await?;
    if found.identified {
        visit.witness(status.as_u16()).await?;
    }
    let mut response = Response::new(body);
    *response.status_mut() = status;
    describe(response.headers_mut(), &file, &etag, range, size, status == StatusCode::PARTIAL_CONTENT);
    Ok(response)
}

fn beyond(size: u64) -> Response {
    let mut response = Refusal::from(Kind::RangeUnsatisfiable).into_response();
    if let Ok(value) = HeaderValue::try_from(format!("bytes */{size}")) {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    response
}

/// The first piece is read before anything is answered: a storage that is away is a 503, not half a file.
async fn body(
    objects: &Objects,
    object: String,
    range: Range<u64>,
    permit: OwnedSemaphorePermit,
) -> Result<Body, Refusal> {
    let first = piece(objects, &object, &range).await.map_err(|error| {
        tracing::warn!(%error, "a file of an export can't be read");
        Kind::FilesAway
    })?;
    let rest = range.start + first.len() as u64..range.end;
    let state = (objects.clone(), object, rest, Some(first), permit);
    Ok(Body::from_stream(stream::try_unfold(state, async |(objects, object, mut rest, first, permit)| {
        let bytes = match first {
            Some(first) => first,
            None if rest.is_empty() => return Ok::<_, ObjectsError>(None),
            None => {
                let bytes = piece(&objects, &object, &rest).await?;
                rest.start += bytes.len() as u64;
                bytes
            }
        };
        Ok(Some((bytes, (objects, object, rest, None, permit))))
    })))
}

async fn piece(objects: &Objects, object: &str, rest: &Range<u64>) -> Result<Bytes, ObjectsError> {
    let piece = rest.start..rest.end.min(rest.start + PIECE);
    let bytes = objects.read(object, piece).await?;
    if bytes.is_empty() { Err(ObjectsError::Absent) } else { Ok(bytes) }
}

fn describe(
    headers: &mut HeaderMap,
    file: &ExportFile,
    etag: &str,
    range: Range<u64>,
    size: u64,
    part: bool,
) {
    let mut put = |name, value: String| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    };
    put(header::CONTENT_TYPE, content_type(&file.name).to_owned());
    put(header::CONTENT_LENGTH, (range.end - range.start).to_string());
    put(header::ACCEPT_RANGES, "bytes".to_owned());
    put(header::ETAG, etag.to_owned());
    put(header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", file.name));
    put(header::CACHE_CONTROL, "no-store".to_owned());
    put(header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned());
    if part {
        put(header::CONTENT_RANGE, format!("bytes {}-{}/{size}", range.start, range.end - 1));
    }
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("csv") => "text/csv; charset=utf-8; header=present",
        Some("ndjson") => "application/fhir+ndjson",
        Some("zip") => "application/zip",
        _ => "application/json",
    }
}
