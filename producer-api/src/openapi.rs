//! The OpenAPI 3.1 document: paths by hand, schemas from the types.

mod exports;
mod fhir;
mod reports;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use epro_schemas::submission::{MAX_BYTES, Submission};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::batch::{self, MAX_BATCH_BYTES, MAX_ITEMS};
use crate::refusal::{Kind, Problem};
use crate::router::Route;
use crate::{acknowledge, status, submit};

/// The document.
pub(crate) static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

const ABOUT: &str = "Takes patient-reported outcomes and makes sure that they arrive. 202 means that the \
submission is safe: a quorum queue has it, and it will be stored, or set aside with a reason that its status tells. \
A submission is named by the UUID that the device gave it, so sending it again with the same content changes \
nothing: after 408, 500, 503 or no answer at all, send it again.";

fn document() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut schemas = settings.into_generator();
    let mut paths = Map::new();
    for route in Route::ALL {
        let method = route.method().as_str().to_ascii_lowercase();
        let operation = operation(route, &mut schemas);
        let item = paths.entry(route.path()).or_insert_with(|| Value::Object(Map::new()));
        item[method] = operation;
    }
    json!({
        "openapi": "3.1.0",
        "info": {"title": "epro-relay", "version": env!("CARGO_PKG_VERSION"), "description": ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas.take_definitions(true),
            "securitySchemes": {"token": {
                "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                "description": "Claims: iss, aud, exp, nbf; sub; scope (submit: for oneself, sub is the patient; \
                    submit:any: for the patient in subject_id; read:site: status of whatever belongs to the \
                    token's studies and sites; read:identified: the same, and FHIR responses with their patient, each reading audited; acknowledge: their alerts; report: what their hospitals know of a patient; export: responses in bulk; export:identified: with what identifies patients); study and site, each a text or a list, which a submission must match.",
            }},
        },
    })
}

fn operation(route: Route, schemas: &mut SchemaGenerator) -> Value {
    match route {
        Route::Submit => submit(schemas),
        Route::Batch => batch(schemas),
        Route::Status => status(schemas),
        Route::Acknowledge => acknowledge(schemas),
        Route::ReportRequest => reports::request(schemas),
        Route::Report => reports::read(schemas),
        Route::ExportRequest => exports::request(schemas),
        Route::ExportStatus => exports::status(schemas),
        Route::ExportCancel => exports::cancel(schemas),
        Route::ExportFile => exports::file(schemas),
        Route::FhirCreate => fhir::create(schemas),
        Route::FhirBatch => fhir::batch(schemas),
        Route::FhirRead => fhir::read(schemas),
        Route::FhirMetadata => open("fhirMetadata", "The CapabilityStatement", fhir::TYPE),
        Route::OpenApi => open("openapi", "This document", "application/json"),
        Route::Docs => open("docs", "This document, for people", "text/html"),
        Route::Style | Route::Unknown => open("style", "The style sheet of the page", "text/css"),
    }
}

fn submit(schemas: &mut SchemaGenerator) -> Value {
    let mut responses = refusals(schemas, Route::Submit);
    let mut received = answer::<submit::Answer>(schemas, "The broker has it, safely.");
    received["headers"] = json!({"Location": {
        "description": "Where it stands is told there.", "schema": {"type": "string"},
    }});
    responses.insert("202".into(), received);
    json!({
        "operationId": "submit",
        "summary": "Submit one completed questionnaire",
        "description": format!("At most {} KiB. Scope: submit or submit:any.", MAX_BYTES / 1024),
        "requestBody": {"required": true, "content": {"application/json": {
            "schema": schemas.subschema_for::<Submission>(), "example": example(),
        }}},
        "responses": responses,
    })
}

fn batch(schemas: &mut SchemaGenerator) -> Value {
    let mut responses = refusals(schemas, Route::Batch);
    let outcome = "An outcome for each item, in order. An item that is not 202 was not accepted.";
    responses.insert("200".into(), answer::<batch::Answer>(schemas, outcome));
    let item = schemas.subschema_for::<Submission>();
    json!({
        "operationId": "submitBatch",
        "summary": "Submit many at once",
        "description": format!(
            "At most {MAX_ITEMS} items of at most {} KiB, {} MiB in all: a JSON array, or one item a line. \
             Each is checked and answered on its own. If nothing can be accepted now, the whole is answered 503.",
            MAX_BYTES / 1024, MAX_BATCH_BYTES / 1024 / 1024
        ),
        "requestBody": {"required": true, "content": {
            "application/json": {"schema": {"type": "array", "items": item, "minItems": 1, "maxItems": MAX_ITEMS}},
            "application/x-ndjson": {"schema": {"type": "string", "description": "One submission a line."}},
        }},
        "responses": responses,
    })
}

fn status(schemas: &mut SchemaGenerator) -> Value {
    let mut responses = refusals(schemas, Route::Status);
    responses.insert("200".into(), answer::<status::Answer>(schemas, "What became of it, with times."));
    json!({
        "operationId": "status",
        "summary": "Where a submission stands",
        "description": "A patient sees their own, with scope submit; staff see what belongs to the studies and \
            sites of their token, with scope read:site. A submission of somebody else is answered like one that \
            isn't there. 404 after a 202 means that it is still queued.",
        "parameters": [{
            "name": "id", "in": "path", "required": true, "description": "The submission's id.",
            "schema": {"type": "string", "format": "uuid"},
        }],
        "responses": responses,
    })
}

fn acknowledge(schemas: &mut SchemaGenerator) -> Value {
    let mut responses = refusals(schemas, Route::Acknowledge);
    let received = "The broker has it, safely; nobody is told of the alert any more once it is written down.";
    responses.insert("202".into(), answer::<acknowledge::Answer>(schemas, received));
    json!({
        "operationId": "acknowledge",
        "summary": "Say that somebody has an alert in hand",
        "description": "Without a body. Scope: acknowledge; the alert must belong to a study and a site of the token.",
        "parameters": [{
            "name": "id", "in": "path", "required": true, "description": "The alert's id, as its notice says.",
            "schema": {"type": "string", "format": "uuid"},
        }],
        "responses": responses,
    })
}

fn open(id: &str, summary: &str, content_type: &str) -> Value {
    json!({
        "operationId": id,
        "summary": summary,
        "security": [],
        "responses": {"200": {"description": summary, "content": {content_type: {}}}},
    })
}

fn answer<T: JsonSchema>(schemas: &mut SchemaGenerator, description: &str) -> Value {
    let schema = schemas.subschema_for::<T>();
    json!({"description": description, "content": {"application/json": {"schema": schema}}})
}

/// One response a status, which names the kinds of problem behind it.
fn refusals(schemas: &mut SchemaGenerator, route: Route) -> Map<String, Value> {
    let schema = schemas.subschema_for::<Problem>();
    let mut slugs: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for kind in Kind::ALL.iter().filter(|kind| answers(**kind, route)) {
        let slugs = slugs.entry(kind.status()).or_default();
        if !slugs.contains(&kind.slug()) {
            slugs.push(kind.slug());
        }
    }
    let one = |(status, slugs): (u16, Vec<&str>)| {
        let mut response = json!({
            "description": slugs.join(", "),
            "content": {"application/problem+json": {"schema": schema}},
        });
        if route.is_fhir() {
            response["content"] = fhir::resource("OperationOutcome");
        }
        if status == 503 || status == 429 {
            response["headers"] = json!({"Retry-After": {
                "description": "Come again in so many seconds.", "schema": {"type": "integer"},
            }});
        }
        (status.to_string(), response)
    };
    slugs.into_iter().map(one).collect()
}

/// Whether a route may be answered so. In a batch, what concerns one item is said in its outcome.
fn answers(kind: Kind, route: Route) -> bool {
    let fhir = matches!(route, Route::FhirCreate | Route::FhirBatch);
    let intake = fhir || matches!(route, Route::Submit | Route::Batch);
    let exports =
        matches!(route, Route::ExportRequest | Route::ExportStatus | Route::ExportCancel | Route::ExportFile);
    let publishes = intake
        || matches!(
            route,
            Route::Acknowledge | Route::ReportRequest | Route::ExportRequest | Route::ExportCancel
        );
    let job = matches!(route, Route::ReportRequest | Route::ExportRequest);
    match kind {
        Kind::NotJson | Kind::Invalid => fhir || job || route == Route::Submit,
        Kind::ExportUnknown => exports && route != Route::ExportRequest,
        Kind::ExportFileUnknown | Kind::RangeUnsatisfiable | Kind::FilesAway => route == Route::ExportFile,
        Kind::StudyForbidden | Kind::SiteForbidden => {
            job || matches!(route, Route::Submit | Route::FhirCreate)
        }
        Kind::SubjectForbidden => matches!(route, Route::Submit | Route::FhirCreate),
        Kind::NotABatch => route == Route::Batch,
        Kind::TooMany | Kind::NotTried => matches!(route, Route::Batch | Route::FhirBatch),
        Kind::NotAcceptable => matches!(route, Route::FhirCreate | Route::FhirBatch | Route::FhirRead),
        Kind::Conflict | Kind::SetAside | Kind::ConditionUnsupported => route == Route::FhirCreate,
        Kind::TransactionUnsupported => route == Route::FhirBatch,
        Kind::IdMalformed => {
            matches!(route, Route::Status | Route::Acknowledge | Route::FhirRead | Route::Report)
                || (exports && route != Route::ExportRequest)
        }
        Kind::SubmissionUnknown => matches!(route, Route::Status | Route::FhirRead),
        Kind::Unwitnessed => matches!(route, Route::FhirRead | Route::Report | Route::ExportFile),
        Kind::KeyUnknown => matches!(route, Route::FhirRead | Route::Report),
        Kind::StoreAway if exports => true,
        Kind::StoreAway => matches!(route, Route::Status | Route::FhirRead | Route::Report),
        Kind::ReportUnknown => route == Route::Report,
        Kind::AlertUnknown => route == Route::Acknowledge,
        Kind::BodySlow | Kind::BodyBroken | Kind::TooLarge | Kind::MediaType => intake || job,
        Kind::BrokerAway | Kind::BrokerBlocked | Kind::BrokerRefused => publishes,
        Kind::Misrouted | Kind::Unconfirmed => publishes,
        Kind::TokenMissing | Kind::TokenMalformed | Kind::TokenUnknownKey | Kind::TokenAlgorithm => true,
        Kind::TokenSignature | Kind::TokenExpired | Kind::TokenNotYetValid => true,
        Kind::TokenIssuer | Kind::TokenAudience | Kind::TokenClaims | Kind::ScopeMissing => true,
        Kind::Panicked | Kind::Busy | Kind::Overdue | Kind::KeyAwaited | Kind::QuotaUsed => true,
        Kind::RouteUnknown | Kind::MethodUnknown => false,
    }
}

/// A submission that is accepted, given a token for it.
fn example() -> Value {
    json!({
        "submission_id": "0198f2a4-5b7e-7c31-9d42-6f0a1b2c3d4e",
        "study_id": "ONC-301",
        "site_id": "H001",
        "instrument": "phq-9|1.0",
        "answered_at": "2026-11-23T20:03:11+08:00",
        "sent_at": "2026-11-23T20:03:12+08:00",
        "answers": {
            "44250-9": 1, "44255-8": 1, "44259-0": 2, "44254-1": 0, "44251-7": 1,
            "44258-2": 0, "44252-5": 0, "44253-3": 0, "44260-8": 0,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_documented_and_everything_documented_is_a_route() {
        let documented: Vec<(String, String)> = DOCUMENT["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, item)| {
                item.as_object().unwrap().keys().map(|method| (path.clone(), method.clone()))
            })
            .collect();
        let mut routed: Vec<(String, String)> = Route::ALL
            .iter()
            .map(|route| (route.path().to_owned(), route.method().as_str().to_ascii_lowercase()))
            .collect();
        routed.sort();
        assert_eq!(documented, routed);
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn walk(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(entries) => {
                    for (key, value) in entries {
                        match value {
                            Value::String(text) if key == "$ref" => found.push(text.clone()),
                            value => walk(value, found),
                        }
                    }
                }
                Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
                _ => {}
            }
        }
        let mut found = Vec::new();
        walk(&DOCUMENT, &mut found);
        assert!(!found.is_empty());
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(DOCUMENT.pointer(pointer).is_some(), "{reference}");
        }
    }

    #[test]
    fn the_example_is_a_submission() {
        let text = example().to_string();
        assert!(Submission::parse(text.as_bytes()).is_ok());
    }
}
