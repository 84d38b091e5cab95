//! OperationOutcome: what FHIR clients are told in place of problem+json.

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use epro_schemas::violation::Violation;
use serde_json::{Value, json};

use super::TYPE;
use crate::refusal::{Kind, Refusal};

/// Whether FHIR is spoken there: below `/fhir`, routes that aren't there included.
pub(crate) fn is_spoken(path: &str) -> bool {
    path == "/fhir" || path.starts_with("/fhir/")
}

/// A refusal in FHIR's words, wherever it was decided; any other answer as it is.
pub(crate) fn retold(response: Response) -> Response {
    let Some(refusal) = response.extensions().get::<Refusal>().cloned() else { return response };
    let (mut parts, _problem) = response.into_parts();
    let outcome = refused(&refusal).to_string();
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(outcome.len()));
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(TYPE));
    Response::from_parts(parts, Body::from(outcome))
}

/// A refusal; an issue for each thing that is wrong.
pub(super) fn refused(refusal: &Refusal) -> Value {
    let kind = refusal.kind;
    let issues = match refusal.errors.as_slice() {
        [] => vec![issue(severity(kind), code(kind), kind.title(), None)],
        errors => errors.iter().map(|error| wrong(kind, error)).collect(),
    };
    json!({"resourceType": "OperationOutcome", "issue": issues})
}

/// Something that went well.
pub(super) fn told(text: &str) -> Value {
    json!({"resourceType": "OperationOutcome", "issue": [issue("information", "informational", text, None)]})
}

fn issue(severity: &str, code: &str, text: &str, violation: Option<&Violation>) -> Value {
    let mut issue = json!({"severity": severity, "code": code, "details": {"text": text}});
    if let Some(Violation { pointer, rule }) = violation {
        issue["diagnostics"] = json!(rule);
        if !pointer.is_empty() {
            issue["expression"] = json!([pointer]);
        }
    }
    issue
}

fn wrong(kind: Kind, violation: &Violation) -> Value {
    let code = match (kind, violation.rule.as_str()) {
        (Kind::Invalid, rule) if rule.starts_with("is required") => "required",
        (Kind::Invalid, "is outside its list" | "must be of the item's code system") => "code-invalid",
        (Kind::Invalid, rule) if rule.ends_with("is given twice") => "structure",
        (kind, _) => code(kind),
    };
    issue(severity(kind), code, kind.title(), Some(violation))
}

fn severity(kind: Kind) -> &'static str {
    if kind == Kind::Panicked { "fatal" } else { "error" }
}

/// The code of FHIR's value set IssueType.
fn code(kind: Kind) -> &'static str {
    match kind {
        Kind::NotJson | Kind::NotABatch | Kind::BodyBroken => "structure",
        Kind::Invalid | Kind::IdMalformed => "value",
        Kind::TokenExpired => "expired",
        Kind::TokenMissing | Kind::TokenMalformed | Kind::TokenUnknownKey | Kind::TokenAlgorithm => "login",
        Kind::TokenSignature | Kind::TokenNotYetValid | Kind::TokenIssuer => "login",
        Kind::TokenAudience | Kind::TokenClaims => "login",
        Kind::ScopeMissing | Kind::StudyForbidden | Kind::SiteForbidden | Kind::SubjectForbidden => {
            "forbidden"
        }
        Kind::RouteUnknown | Kind::SubmissionUnknown | Kind::AlertUnknown | Kind::ReportUnknown => {
            "not-found"
        }
        Kind::ExportUnknown | Kind::ExportFileUnknown | Kind::RangeUnsatisfiable => "not-found",
        Kind::MethodUnknown | Kind::MediaType | Kind::NotAcceptable => "not-supported",
        Kind::TransactionUnsupported | Kind::ConditionUnsupported => "not-supported",
        Kind::Conflict => "conflict",
        Kind::SetAside => "processing",
        Kind::BodySlow | Kind::Overdue => "timeout",
        Kind::TooLarge => "too-long",
        Kind::TooMany => "too-costly",
        Kind::Busy | Kind::NotTried | Kind::QuotaUsed => "throttled",
        Kind::KeyAwaited | Kind::KeyUnknown | Kind::Unwitnessed => "transient",
        Kind::BrokerAway | Kind::BrokerBlocked | Kind::BrokerRefused => "transient",
        Kind::Misrouted | Kind::Unconfirmed | Kind::StoreAway | Kind::FilesAway => "transient",
        Kind::Panicked => "exception",
    }
}
