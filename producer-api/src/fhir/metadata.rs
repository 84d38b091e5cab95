//! `GET /fhir/R4/metadata`: what of FHIR there is. Open, like the documentation.

use std::sync::LazyLock;

use axum::response::Response;
use serde_json::{Value, json};

use super::TYPE;

static STATEMENT: LazyLock<Value> = LazyLock::new(|| {
    json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-11-26",
        "kind": "instance",
        "software": {"name": "epro-relay", "version": env!("CARGO_PKG_VERSION")},
        "implementation": {"description": "Intake of patient-reported outcomes", "url": "/fhir/R4"},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "rest": [{
            "mode": "server",
            "security": {"description": "A bearer token (JWT) with scope submit, submit:any, read:site or read:identified; see /docs"},
            "resource": [{
                "type": "QuestionnaireResponse",
                "documentation": "Created, never updated: an amendment is another response. Read back without \
                    subject and free text unless the scope is read:identified.",
                "interaction": [{"code": "create"}, {"code": "read"}],
                "versioning": "no-version",
                "readHistory": false,
                "updateCreate": false,
                "conditionalCreate": true,
                "conditionalUpdate": false,
                "conditionalDelete": "not-supported",
            }],
            "interaction": [{"code": "batch"}],
        }],
    })
});

pub(crate) async fn handle() -> Response {
    crate::refusal::json(200, TYPE, &*STATEMENT)
}
