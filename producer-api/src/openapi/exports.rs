//! The routes of bulk exports.

use schemars::SchemaGenerator;
use serde_json::{Value, json};

use super::{answer, refusals};
use crate::exports::{cancel, request, status};
use crate::router::Route;

pub(super) fn request(schemas: &mut SchemaGenerator) -> Value {
    let mut responses = refusals(schemas, Route::ExportRequest);
    let mut received = answer::<request::Answer>(schemas, "The broker has it, safely.");
    received["headers"] = json!({"Location": {
        "description": "How far it is is told there.", "schema": {"type": "string"},
    }});
    responses.insert("202".into(), received);
    json!({
        "operationId": "requestExport",
        "summary": "Export a site's responses in bulk",
        "description": "What is stored at the time of the request, and nothing later. Scope: export, with the site \
            and the studies in the token; with identified data, export:identified as well. At `from` or later, \
            before `to`, by the time of answering; a study that keeps years only is chosen by years, those of `from` \
            and `to` in their own offsets.",
        "requestBody": {"required": true, "content": {"application/json": {
            "schema": schemas.subschema_for::<request::Body>(),
            "example": {"site_id": "H001", "study_ids": ["ONC-301"], "instruments": ["phq-9|1.0"], "format": "csv",
                "from": "2026-11-01T00:00:00+08:00", "to": "2026-12-01T00:00:00+08:00"},
        }}},
        "responses": responses,
    })
}

pub(super) fn status(schemas: &mut SchemaGenerator) -> Value {
    let mut responses = refusals(schemas, Route::ExportStatus);
    responses
        .insert("200".into(), answer::<status::Answer>(schemas, "How far it is; its files once it is done."));
    json!({
        "operationId": "exportStatus",
        "summary": "How far an export is",
        "description": "From the 202 on, for whoever asked for it. Others with its site and studies in their token see it \
            once a worker has written it down; anybody else's export is answered like one that isn't there.",
        "parameters": [id()],
        "responses": responses,
    })
}

pub(super) fn cancel(schemas: &mut SchemaGenerator) -> Value {
    let mut responses = refusals(schemas, Route::ExportCancel);
    let received = "The broker has it, safely: what was written is deleted, and the state becomes cancelled.";
    responses.insert("202".into(), answer::<cancel::Answer>(schemas, received));
    json!({
        "operationId": "cancelExport",
        "summary": "End an export",
        "description": "One that nobody has begun is never begun. One that is done stays as it is.",
        "parameters": [id()],
        "responses": responses,
    })
}

pub(super) fn file(schemas: &mut SchemaGenerator) -> Value {
    let mut responses = refusals(schemas, Route::ExportFile);
    let content =
        json!({"text/csv": {}, "application/fhir+ndjson": {}, "application/zip": {}, "application/json": {}});
    responses
        .insert("200".into(), json!({"description": "The file; ETag is its SHA-256.", "content": content}));
    responses
        .insert("206".into(), json!({"description": "The bytes that Range asked for.", "content": content}));
    json!({
        "operationId": "exportFile",
        "summary": "Fetch a file of an export",
        "description": "One range of bytes, with Range and If-Range.",
        "parameters": [id(), {
            "name": "name", "in": "path", "required": true, "description": "As the status names it.",
            "schema": {"type": "string"},
        }],
        "responses": responses,
    })
}

fn id() -> Value {
    json!({
        "name": "id", "in": "path", "required": true, "description": "The export's id.",
        "schema": {"type": "string", "format": "uuid"},
    })
}
