//! The routes of comprehensive reports.

use epro_schemas::report::{Report, Request};
use schemars::SchemaGenerator;
use serde_json::{Value, json};

use super::{answer, refusals};
use crate::reports::Underway;
use crate::router::Route;

pub(super) fn request(schemas: &mut SchemaGenerator) -> Value {
    let mut responses = refusals(schemas, Route::ReportRequest);
    responses.insert("200".into(), done(schemas));
    responses.insert("202".into(), underway(schemas));
    json!({
        "operationId": "requestReport",
        "summary": "Ask what a hospital knows of a patient",
        "description": "Vital signs, medication and laboratory results are fetched from the hospital at the same \
            time, under one deadline: what isn't there by then is named as missing, with its reason. Scope: report; \
            study and site must be the token's.",
        "parameters": [prefer()],
        "requestBody": {"required": true, "content": {"application/json": {
            "schema": schemas.subschema_for::<Request>(),
            "example": {"study_id": "ONC-301", "site_id": "H001", "subject_id": "P-0001", "within_seconds": 10},
        }}},
        "responses": responses,
    })
}

pub(super) fn read(schemas: &mut SchemaGenerator) -> Value {
    let mut responses = refusals(schemas, Route::Report);
    responses.insert("200".into(), done(schemas));
    responses.insert("202".into(), underway(schemas));
    json!({
        "operationId": "report",
        "summary": "Read a report",
        "description": "Scope: report; study and site must be the token's. 202 while it is queued, for whoever asked for \
            it, or made; 404 once it has expired. Every reading is audited.",
        "parameters": [
            {
                "name": "id", "in": "path", "required": true, "description": "The report's id.",
                "schema": {"type": "string", "format": "uuid"},
            },
            prefer(),
        ],
        "responses": responses,
    })
}

fn prefer() -> Value {
    json!({
        "name": "Prefer", "in": "header", "required": false,
        "description": "wait=N (RFC 7240): answer with the report itself if it is there within N seconds.",
        "schema": {"type": "string"}, "example": "wait=10",
    })
}

fn done(schemas: &mut SchemaGenerator) -> Value {
    let mut done = answer::<Report>(schemas, "The report.");
    done["headers"] = json!({"Preference-Applied": applied()});
    done
}

fn underway(schemas: &mut SchemaGenerator) -> Value {
    let mut underway = answer::<Underway>(schemas, "It isn't there yet; the job is safe.");
    underway["headers"] = json!({
        "Location": {"description": "The report will be there.", "schema": {"type": "string"}},
        "Preference-Applied": applied(),
    });
    underway
}

fn applied() -> Value {
    json!({"description": "wait=N, if the answer was waited for.", "schema": {"type": "string"}})
}
