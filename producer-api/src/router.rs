//! The routes. Each of them authenticates, except those that only say how to use the others.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get, post};
use epro_process::config::Serve;
use futures_util::FutureExt as _;
use tower::ServiceExt as _;

use crate::door::Door;
use crate::refusal::{Kind, Refusal};
use crate::visit::{self, Visit};
use crate::{acknowledge, batch, docs, exports, fhir, reports, status, submit};

/// A route of the public door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// One submission.
    Submit,
    /// Many.
    Batch,
    /// Where one stands.
    Status,
    /// Somebody has an alert in hand.
    Acknowledge,
    /// Staff ask what a hospital knows of a patient.
    ReportRequest,
    /// They read it.
    Report,
    /// A bulk export is asked for.
    ExportRequest,
    /// How far one is.
    ExportStatus,
    /// One is no longer wanted.
    ExportCancel,
    /// A file of one.
    ExportFile,
    /// One QuestionnaireResponse.
    FhirCreate,
    /// Many.
    FhirBatch,
    /// One, read back.
    FhirRead,
    /// What of FHIR there is.
    FhirMetadata,
    /// The OpenAPI document.
    OpenApi,
    /// The same, for people.
    Docs,
    /// Its style sheet.
    Style,
    /// None of these.
    Unknown,
}

impl Route {
    /// The routes that there are.
    pub(crate) const ALL: [Self; 17] = [
        Self::Submit,
        Self::Batch,
        Self::Status,
        Self::Acknowledge,
        Self::ReportRequest,
        Self::Report,
        Self::ExportRequest,
        Self::ExportStatus,
        Self::ExportCancel,
        Self::ExportFile,
        Self::FhirCreate,
        Self::FhirBatch,
        Self::FhirRead,
        Self::FhirMetadata,
        Self::OpenApi,
        Self::Docs,
        Self::Style,
    ];

    /// Its path, as documented.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Submit => "/api/v1/epro/submit",
            Self::Batch => "/api/v1/epro/submit/batch",
            Self::Status => "/api/v1/epro/submissions/{id}",
            Self::Acknowledge => "/api/v1/alerts/{id}/acknowledge",
            Self::ReportRequest => "/api/v1/reports",
            Self::Report => "/api/v1/reports/{id}",
            Self::ExportRequest => "/api/v1/exports",
            Self::ExportStatus | Self::ExportCancel => "/api/v1/exports/{id}",
            Self::ExportFile => "/api/v1/exports/{id}/files/{name}",
            Self::FhirCreate => "/fhir/R4/QuestionnaireResponse",
            Self::FhirBatch => "/fhir/R4",
            Self::FhirRead => "/fhir/R4/QuestionnaireResponse/{id}",
            Self::FhirMetadata => "/fhir/R4/metadata",
            Self::OpenApi => "/openapi.json",
            Self::Docs => "/docs",
            Self::Style => "/docs.css",
            Self::Unknown => "unknown",
        }
    }

    /// Its method.
    pub(crate) fn method(self) -> Method {
        match self {
            Self::Submit | Self::Batch | Self::Acknowledge | Self::FhirCreate | Self::FhirBatch => {
                Method::POST
            }
            Self::ReportRequest => Method::POST,
            Self::Report => Method::GET,
            Self::ExportRequest => Method::POST,
            Self::ExportCancel => Method::DELETE,
            Self::ExportStatus | Self::ExportFile => Method::GET,
            Self::Status | Self::FhirRead | Self::FhirMetadata => Method::GET,
            Self::OpenApi | Self::Docs | Self::Style | Self::Unknown => Method::GET,
        }
    }

    /// The same as a word.
    pub(crate) fn method_name(self) -> &'static str {
        match self.method() {
            Method::POST => "POST",
            Method::DELETE => "DELETE",
            _ => "GET",
        }
    }

    /// Whether a door that serves so much has it.
    fn is_served(self, serve: &[Serve]) -> bool {
        match self {
            Self::ExportRequest | Self::ExportStatus | Self::ExportCancel | Self::ExportFile => {
                serve.contains(&Serve::Jobs)
            }
            Self::ReportRequest | Self::Report => serve.contains(&Serve::Jobs),
            Self::OpenApi | Self::Docs | Self::Style | Self::Unknown => true,
            Self::Submit | Self::Batch | Self::Status | Self::Acknowledge => serve.contains(&Serve::Intake),
            Self::FhirCreate | Self::FhirBatch | Self::FhirRead | Self::FhirMetadata => {
                serve.contains(&Serve::Intake)
            }
        }
    }

    /// Whether it speaks FHIR.
    pub(crate) fn is_fhir(self) -> bool {
        matches!(self, Self::FhirCreate | Self::FhirBatch | Self::FhirRead | Self::FhirMetadata)
    }

    /// What the audit trail calls it.
    pub(crate) fn action(self) -> &'static str {
        match self {
            Self::Submit | Self::FhirCreate => "submission.submit",
            Self::Batch | Self::FhirBatch => "submission.submit_batch",
            Self::Status | Self::FhirRead => "submission.read",
            Self::Acknowledge => "alert.acknowledge",
            Self::ReportRequest => "report.request",
            Self::Report => "report.read",
            Self::ExportRequest => "export.request",
            Self::ExportStatus => "export.read",
            Self::ExportCancel => "export.cancel",
            Self::ExportFile => "export.download",
            Self::FhirMetadata | Self::OpenApi | Self::Docs | Self::Style | Self::Unknown => "request",
        }
    }

    fn serve(self) -> MethodRouter<Arc<Door>> {
        match self {
            Self::Submit => post(submit::handle),
            Self::Batch => post(batch::handle),
            Self::Status => get(status::handle),
            Self::Acknowledge => post(acknowledge::handle),
            Self::ReportRequest => post(reports::request::handle),
            Self::Report => get(reports::read::handle),
            Self::ExportRequest => post(exports::request::handle),
            Self::ExportStatus | Self::ExportCancel => {
                get(exports::status::handle).delete(exports::cancel::handle)
            }
            Self::ExportFile => get(exports::file::handle),
            Self::FhirCreate => post(fhir::create::handle),
            Self::FhirBatch => post(fhir::batch::handle),
            Self::FhirRead => get(fhir::read::handle),
            Self::FhirMetadata => get(fhir::metadata::handle),
            Self::OpenApi => get(docs::openapi),
            Self::Style => get(docs::style),
            Self::Docs | Self::Unknown => get(docs::page),
        }
    }
}

/// How long a whole request may take: a body, twice what a batch is given for its confirms, and a wait for a report.
/// Each step has a bound of its own; this one is for what nobody thought of.
fn longest(door: &Door) -> Duration {
    door.body_timeout + 8 * door.confirm_timeout + door.reports.longest
}

/// The whole public door.
pub(crate) fn router(door: Arc<Door>) -> Router {
    let routes = Route::ALL.into_iter().fold(Router::new(), |router, route| {
        let serve = route.serve().fallback(async move |State(door): State<Arc<Door>>| {
            Visit::begin(&door, route).answer(Err(Kind::MethodUnknown.into()))
        });
        match route {
            _ if !route.is_served(&door.serve) => router,
            // One path, two methods: it is there with the first of them.
            Route::ExportCancel => router,
            // Clients join a base URL and nothing in either way.
            Route::FhirBatch => router.route("/fhir/R4/", serve.clone()).route(route.path(), serve),
            _ => router.route(route.path(), serve),
        }
    });
    let unknown = async |State(door): State<Arc<Door>>| {
        Visit::begin(&door, Route::Unknown).answer(Err(Kind::RouteUnknown.into()))
    };
    let within = longest(&door);
    guarded(routes.fallback(unknown).with_state(door), within)
}

/// The same routes behind [`guard`]. It stands in front of all of them and is no layer of each: a layer costs every
/// request boxes of everything below it, a router is one pointer.
fn guarded(routes: Router, within: Duration) -> Router {
    let guard = tower::service_fn(move |request: Request| guard(routes.clone(), request, within));
    Router::new().fallback_service(guard)
}

/// Around every request: FHIR's words for refusals; a panic in a handler is a 500 and an error line (from the panic
/// hook, without its message), and the process goes on; a request that takes longer than `within` is a 503, and what it
/// was doing is dropped; what is told of a request also says where it came from.
async fn guard(routes: Router, request: Request, within: Duration) -> Result<Response, Infallible> {
    let in_fhir = fhir::is_spoken(request.uri().path());
    let answering = visit::with_origin(visit::origin(&request), routes.oneshot(request));
    let answering = AssertUnwindSafe(tokio::time::timeout(within, answering));
    let answer = match answering.catch_unwind().await {
        Ok(Ok(answer)) => answer?,
        Ok(Err(_elapsed)) => {
            tracing::error!("a request took too long: this is a defect");
            Refusal::from(Kind::Overdue).into_response()
        }
        Err(_panic) => Refusal::from(Kind::Panicked).into_response(),
    };
    Ok(if in_fhir { fhir::retold(answer) } else { answer })
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use axum::body::Body;
    use axum::extract::{ConnectInfo, MatchedPath, Path};
    use axum::http::Request;

    #[tokio::test]
    async fn a_request_that_never_ends_is_a_503() {
        let pends = async || -> Response { std::future::pending().await };
        let router = guarded(Router::new().route("/", get(pends)), Duration::from_millis(1));
        let response = router.oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 503);
        assert!(response.headers().contains_key("retry-after"));
    }

    #[tokio::test]
    async fn a_panic_is_a_500_without_a_word_of_it() {
        let panics = async || -> Response { panic!("Marta Planted") };
        let router = guarded(Router::new().route("/", get(panics)), Duration::from_secs(60));
        for _ in 0..2 {
            let request = Request::get("/").body(Body::empty()).unwrap();
            let response = router.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status(), 500);
            assert_eq!(response.headers()["content-type"], "application/problem+json");
            let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
            assert!(!String::from_utf8_lossy(&body).contains("Marta"));
        }
    }

    #[tokio::test]
    async fn below_fhir_a_panic_is_told_in_its_words() {
        let panics = async || -> Response { panic!("Marta Planted") };
        let router = guarded(Router::new().route("/fhir/R4", get(panics)), Duration::from_secs(60));
        let response = router.oneshot(Request::get("/fhir/R4").body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 500);
        assert_eq!(response.headers()["content-type"], "application/fhir+json");
        let length = response.headers()["content-length"].clone();
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        assert_eq!(length, body.len().to_string());
        let text = String::from_utf8_lossy(&body);
        assert!(text.contains("OperationOutcome") && !text.contains("Marta"), "{text}");
    }

    #[tokio::test]
    async fn what_stands_in_front_of_the_routes_hides_nothing_from_them() {
        let tells =
            async |ConnectInfo(from): ConnectInfo<SocketAddr>, path: MatchedPath, Path(id): Path<String>| {
                format!("{from} {} {id}", path.as_str())
            };
        let router = guarded(Router::new().route("/a/{id}", get(tells)), Duration::from_secs(60));
        let mut request = Request::get("/a/7").body(Body::empty()).unwrap();
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([10, 0, 0, 1], 80))));
        let response = router.oneshot(request).await.unwrap();
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        assert_eq!(body, "10.0.0.1:80 /a/{id} 7");
    }
}
