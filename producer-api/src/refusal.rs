//! Every way in which a request is refused, as `application/problem+json` (RFC 9457).

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use epro_broker::PublishError;
use epro_process::auth::Unbelieved;
use epro_schemas::seal::{OpenError, SealError};
use epro_schemas::violation::Violation;
use schemars::JsonSchema;
use serde::Serialize;

/// A refused request: which kind, what is wrong where, and when to come again.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) kind: Kind,
    pub(crate) errors: Vec<Violation>,
}

/// The body of a refusal. No member ever repeats anything that was sent.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Problem {
    /// What kind of problem it is: a place in `/docs`.
    #[serde(rename = "type")]
    #[schemars(extend("format" = "uri-reference"))]
    pub(crate) kind: String,
    /// The kind in words.
    pub(crate) title: &'static str,
    /// The HTTP status.
    pub(crate) status: u16,
    /// Everything that is wrong, where that can be said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) errors: Vec<Violation>,
}

macro_rules! kinds {
    ($($kind:ident $status:literal $class:literal $title:literal $retry:expr;)+) => {
        /// The kinds of refusal: status, the name in metrics and audit, the title for people, and
        /// between how many seconds to come again.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Kind { $($kind,)+ }

        impl Kind {
            /// All of them, for the documentation.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$kind,)+];

            fn facts(self) -> (u16, &'static str, &'static str, Option<(u64, u64)>) {
                match self { $(Self::$kind => ($status, $class, $title, $retry),)+ }
            }
        }
    };
}

kinds! {
    NotJson 400 "not_json" "The body is not JSON" None;
    NotABatch 400 "not_a_batch" "The body is neither a JSON array nor one item a line" None;
    IdMalformed 400 "id_malformed" "The id in the path is not a UUID" None;
    TokenMissing 401 "token_missing" "A bearer token is required" None;
    TokenMalformed 401 "token_malformed" "The token can't be read" None;
    TokenUnknownKey 401 "token_unknown_key" "The token names no key that is known here" None;
    TokenAlgorithm 401 "token_algorithm" "The token's algorithm is not that of its key" None;
    TokenSignature 401 "token_signature" "The token's signature is wrong" None;
    TokenExpired 401 "token_expired" "The token has expired" None;
    TokenNotYetValid 401 "token_not_yet_valid" "The token is not valid yet" None;
    TokenIssuer 401 "token_issuer" "The token is from another issuer" None;
    TokenAudience 401 "token_audience" "The token is for another audience" None;
    TokenClaims 401 "token_claims" "A claim of the token is missing or has the wrong form" None;
    ScopeMissing 403 "scope_missing" "The token's scope does not allow this" None;
    StudyForbidden 403 "study_forbidden" "The token is not for this study" None;
    SiteForbidden 403 "site_forbidden" "The token is not for this site" None;
    SubjectForbidden 403 "subject_forbidden" "The token is not this patient's" None;
    RouteUnknown 404 "route_unknown" "There is nothing here" None;
    SubmissionUnknown 404 "submission_unknown"
        "Nothing of this submission is stored; if it was answered with 202, it may still be queued" None;
    AlertUnknown 404 "alert_unknown"
        "There is no such alert for this token; one that was told while the database was away is known a little later" None;
    ReportUnknown 404 "report_unknown"
        "There is no such report for this token; while it is queued only whoever asked for it is told, an expired one is gone" None;
    ExportUnknown 404 "export_unknown"
        "There is no such export for this token; while it is queued only whoever asked for it is told" None;
    ExportFileUnknown 404 "export_file_unknown" "There is no such file; an export has files once it is done" None;
    MethodUnknown 405 "method_unknown" "The method is not allowed here" None;
    Conflict 409 "conflict"
        "Other content is stored under this identifier, or the base was amended before: this was set aside for a person" None;
    SetAside 409 "set_aside" "It was taken and then set aside for a person; its status says why" None;
    NotAcceptable 406 "not_acceptable" "The answer can only be JSON" None;
    ConditionUnsupported 412 "condition_unsupported"
        "If-None-Exist can only be identifier=system|value of the resource itself" None;
    BodySlow 408 "body_slow" "The body did not arrive in time" None;
    BodyBroken 400 "body_broken" "The body ended early" None;
    TooLarge 413 "too_large" "The body is too large" None;
    TooMany 413 "too_many" "The batch has too many items" None;
    MediaType 415 "media_type" "The content type is not one that is read here" None;
    Invalid 422 "invalid" "The body breaks rules" None;
    RangeUnsatisfiable 416 "range_unsatisfiable" "The file has no such bytes" None;
    TransactionUnsupported 422 "transaction_unsupported"
        "A transaction of several entries is not supported: send them as a batch" None;
    QuotaUsed 429 "quota_used" "This client or patient has asked too often" Some((1, 3));
    Panicked 500 "panicked" "Something went wrong here; it is noted" None;
    BrokerAway 503 "broker_away" "Nothing can be accepted now" Some((2, 6));
    BrokerBlocked 503 "broker_blocked" "Nothing can be accepted now" Some((5, 10));
    BrokerRefused 503 "broker_refused" "Nothing can be accepted now" Some((5, 30));
    Misrouted 503 "misrouted" "Nothing can be accepted now" Some((10, 30));
    Unconfirmed 503 "unconfirmed" "Nothing can be accepted now" Some((2, 6));
    Unwitnessed 503 "unwitnessed" "Nothing that shows a patient can be given now" Some((2, 6));
    KeyUnknown 503 "key_unknown" "What is stored can't be read now" Some((5, 15));
    KeyAwaited 503 "key_awaited" "Nothing can be accepted now" Some((1, 2));
    Busy 503 "busy" "Nothing can be accepted now" Some((1, 3));
    NotTried 503 "not_tried" "Nothing can be accepted now" Some((2, 6));
    Overdue 503 "overdue" "Nothing can be accepted now" Some((2, 6));
    FilesAway 503 "files_away" "The files can't be read now" Some((5, 15));
    StoreAway 503 "store_away" "Nothing can be looked up now; submissions are still accepted" Some((5, 15));
}

impl Kind {
    /// The HTTP status.
    pub(crate) fn status(self) -> u16 {
        self.facts().0
    }

    /// The name in metrics and audit.
    pub(crate) fn class(self) -> &'static str {
        self.facts().1
    }

    /// The kind in words.
    pub(crate) fn title(self) -> &'static str {
        self.facts().2
    }

    /// The name that the client sees: why nothing can be accepted is the operator's business.
    pub(crate) fn slug(self) -> &'static str {
        if self.status() == 503 { "unavailable" } else { self.class() }
    }

    /// In how many seconds to come again, spread so that not everybody comes at once.
    pub(crate) fn retry_after(self) -> Option<u64> {
        let (least, most) = self.facts().3?;
        Some(least + u64::from(uuid::Uuid::new_v4().as_bytes()[0]) % (most - least + 1))
    }
}

impl Refusal {
    /// A refusal at one place of the body.
    pub(crate) fn at(kind: Kind, pointer: &str, rule: &str) -> Self {
        Self { kind, errors: vec![Violation::new(pointer, rule)] }
    }

    /// Its body.
    pub(crate) fn problem(self) -> Problem {
        Problem {
            kind: format!("/docs#{}", self.kind.slug()),
            title: self.kind.title(),
            status: self.kind.status(),
            errors: self.errors,
        }
    }
}

impl From<Kind> for Refusal {
    fn from(kind: Kind) -> Self {
        Self { kind, errors: Vec::new() }
    }
}

/// Why something that is stored under seal can't be read. Its key may come to this door later than to others;
/// anything else is wrong here.
impl From<OpenError> for Kind {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::UnknownKey { .. } => Self::KeyUnknown,
            OpenError::Tampered | OpenError::Malformed => Self::Panicked,
        }
    }
}

impl From<Unbelieved> for Refusal {
    fn from(why: Unbelieved) -> Self {
        match why {
            Unbelieved::Missing => Kind::TokenMissing,
            Unbelieved::Malformed => Kind::TokenMalformed,
            Unbelieved::UnknownKey => Kind::TokenUnknownKey,
            Unbelieved::KeyAwaited => Kind::KeyAwaited,
            Unbelieved::Algorithm => Kind::TokenAlgorithm,
            Unbelieved::Signature => Kind::TokenSignature,
            Unbelieved::Expired => Kind::TokenExpired,
            Unbelieved::NotYetValid => Kind::TokenNotYetValid,
            Unbelieved::Issuer => Kind::TokenIssuer,
            Unbelieved::Audience => Kind::TokenAudience,
            Unbelieved::Claims => Kind::TokenClaims,
        }
        .into()
    }
}

impl From<PublishError> for Refusal {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::NotConnected => Kind::BrokerAway,
            PublishError::Blocked => Kind::BrokerBlocked,
            PublishError::Saturated => Kind::Busy,
            // A name that is too long is as much a mistake of ours as a queue that isn't there.
            PublishError::Returned { .. } | PublishError::Unsendable { .. } => Kind::Misrouted,
            PublishError::Nacked => Kind::BrokerRefused,
            PublishError::NotConfirmed | PublishError::TimedOut => Kind::Unconfirmed,
            PublishError::Unsealed(error) => return error.into(),
        }
        .into()
    }
}

/// What can't be sealed is not published.
impl From<SealError> for Refusal {
    fn from(error: SealError) -> Self {
        tracing::error!(%error, "a request was turned away");
        Kind::Panicked.into()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (kind, told) = (self.kind, self.clone());
        let mut response = json(kind.status(), "application/problem+json", &self.problem());
        // For doors that say it in other words.
        response.extensions_mut().insert(told);
        let headers = response.headers_mut();
        if let Some(seconds) = kind.retry_after() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        match kind.status() {
            401 if kind == Kind::TokenMissing => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            401 => {
                let value = HeaderValue::from_static("Bearer error=\"invalid_token\"");
                headers.insert(header::WWW_AUTHENTICATE, value);
            }
            403 if kind == Kind::ScopeMissing => {
                let value = HeaderValue::from_static("Bearer error=\"insufficient_scope\"");
                headers.insert(header::WWW_AUTHENTICATE, value);
            }
            // What is left of the body is not worth reading.
            408 | 413 => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        response
    }
}

/// A response of JSON that nobody keeps.
pub(crate) fn json(status: u16, content_type: &'static str, body: &impl Serialize) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = serde_json::to_vec(body).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_503_says_when_to_come_again_and_not_always_the_same() {
        for kind in Kind::ALL.iter().filter(|kind| kind.status() == 503) {
            let told: std::collections::BTreeSet<u64> = (0..200).filter_map(|_| kind.retry_after()).collect();
            assert!(told.len() > 1, "{kind:?}");
            assert!(told.iter().all(|seconds| *seconds <= 30), "{kind:?}");
        }
    }

    #[test]
    fn why_nothing_can_be_accepted_stays_inside() {
        let response = Refusal::from(Kind::Misrouted).problem();
        let text = serde_json::to_string(&response).unwrap();
        assert_eq!(
            text,
            r#"{"type":"/docs#unavailable","title":"Nothing can be accepted now","status":503}"#
        );
    }
}
