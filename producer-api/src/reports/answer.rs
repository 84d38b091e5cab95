//! The answers: the report itself, or where it will be.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use epro_schemas::kind;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use crate::door::Door;
use crate::refusal::{Kind, Refusal, json};

/// The broker has the job, safely; the report will be under `Location`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ReportUnderway")]
pub(crate) struct Underway {
    /// Always `underway`.
    status: &'static str,
    /// The report's id.
    report_id: Uuid,
}

/// 202: it isn't there yet.
pub(super) fn underway(report_id: Uuid) -> Response {
    let mut response = json(202, "application/json", &Underway { status: "underway", report_id });
    if let Ok(location) = HeaderValue::try_from(format!("/api/v1/reports/{report_id}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// 200: here it is, opened.
pub(super) fn done(door: &Door, report_id: Uuid, sealed: &[u8]) -> Result<Response, Refusal> {
    let report = door.ring.open(kind::REPORT_BODY, report_id, sealed).map_err(|error| {
        tracing::error!(%error, "a report can't be opened");
        Kind::from(error)
    })?;
    let mut response = json(200, "application/json", &());
    *response.body_mut() = Body::from(report);
    Ok(response)
}

/// Says that the client's wait was granted.
pub(super) fn waited(mut response: Response, wait: Duration) -> Response {
    if let Ok(applied) = HeaderValue::try_from(format!("wait={}", wait.as_secs())) {
        response.headers_mut().insert("preference-applied", applied);
    }
    response
}
