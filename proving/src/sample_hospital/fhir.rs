//! The FHIR R4 service: transactions of conditional creates and updates, all or nothing.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use serde_json::{Value, json};

use super::fhir_rules::{Entry, Issue, understand};
use super::records::{self, Wrote};
use super::{Shared, access, searches};
use crate::foreign::calls::Going;
use crate::foreign::http_door;

/// The largest transaction that it reads.
const MOST: usize = 4 * 1024 * 1024;
pub(super) const FHIR_JSON: &str = "application/fhir+json; charset=utf-8";

pub(super) fn routes(hospital: &Shared) -> Router {
    Router::new()
        .route("/fhir", post(transaction))
        .route("/fhir/{kind}/_search", post(searches::first))
        .route("/fhir/pages/{token}", get(searches::further))
        .route("/token", post(token))
        .with_state(hospital.clone())
}

async fn token(State(hospital): State<Shared>, headers: HeaderMap, form: Form<access::Asked>) -> Response {
    hospital.gate.token(&headers, &form, &hospital.calls)
}

async fn transaction(State(hospital): State<Shared>, request: Request) -> Response {
    let call = hospital.calls.came("fhir");
    let manner = hospital.manner.for_a_call();
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, MOST).await.unwrap_or_default();
    let bundle: Value = serde_json::from_slice(&body).unwrap_or_default();
    call.names(bundle["entry"][0]["resource"]["identifier"]["value"].as_str().unwrap_or_default());
    http_door::behave(&manner, &call, || hospital.take(&call, &parts.headers, &bundle)).await
}

impl Shared {
    fn take(&self, call: &Going, headers: &HeaderMap, bundle: &Value) -> Response {
        if !self.gate.lets_in(headers) {
            call.did("refused 401");
            return access::unauthorized();
        }
        let media =
            headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !media.starts_with("application/fhir+json") {
            call.did("refused 415");
            return outcome(StatusCode::UNSUPPORTED_MEDIA_TYPE, &[Issue::new("not-supported", "Bundle")]);
        }
        match understand(bundle) {
            Ok(entries) => {
                let (did, answer) = self.commit(&entries);
                call.did(did);
                answer
            }
            Err(issues) => {
                call.did("refused 422");
                outcome(StatusCode::UNPROCESSABLE_ENTITY, &issues)
            }
        }
    }

    fn commit(&self, entries: &[Entry<'_>]) -> (&'static str, Response) {
        let mut records = self.records.lock();
        let mut done = Vec::new();
        let mut first = None;
        for entry in entries {
            let key = (entry.kind, entry.identifier);
            let (place, wrote) = records::write(&mut records, key, entry.resource.clone(), entry.replaces);
            let version = records.get(place).map_or(0, |record| record.versions.len());
            first.get_or_insert(wrote);
            done.push(json!({"response": {
                "status": if wrote == Wrote::Created { "201 Created" } else { "200 OK" },
                "location": format!("{}/{place}/_history/{version}", entry.kind),
                "etag": format!("W/\"{version}\""),
            }}));
        }
        let bundle = json!({"resourceType": "Bundle", "type": "transaction-response", "entry": done});
        let did = match first {
            Some(Wrote::Created) => "created",
            Some(Wrote::Updated) => "updated",
            Some(Wrote::Known) | None => "known",
        };
        (did, ([(header::CONTENT_TYPE, FHIR_JSON)], bundle.to_string()).into_response())
    }
}

/// What is wrong; its free text holds what no log of ours may repeat.
pub(super) fn outcome(status: StatusCode, issues: &[Issue]) -> Response {
    let issue = |issue: &Issue| {
        json!({
            "severity": "error", "code": issue.code, "expression": [issue.path],
            "diagnostics": "Marta Planted", "details": {"text": "Marta Planted"},
        })
    };
    let issues = issues.iter().map(issue).collect::<Vec<_>>();
    let outcome = json!({"resourceType": "OperationOutcome", "issue": issues});
    (status, [(header::CONTENT_TYPE, FHIR_JSON)], outcome.to_string()).into_response()
}
