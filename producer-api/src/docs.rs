//! `/openapi.json`, and `/docs`: the same document as a page, made here, without a script and
//! without anything from elsewhere.

mod page;

use std::sync::LazyLock;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::Response;

use crate::openapi::DOCUMENT;

static OPENAPI: LazyLock<Bytes> = LazyLock::new(|| DOCUMENT.to_string().into());
static PAGE: LazyLock<Bytes> = LazyLock::new(|| page::render(&DOCUMENT).into());
const STYLE: &str = include_str!("docs/style.css");

/// Nothing but our own style sheet.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) async fn openapi() -> Response {
    open(OPENAPI.clone(), "application/json")
}

pub(crate) async fn page() -> Response {
    open(PAGE.clone(), "text/html; charset=utf-8")
}

pub(crate) async fn style() -> Response {
    open(Bytes::from_static(STYLE.as_bytes()), "text/css; charset=utf-8")
}

fn open(body: Bytes, content_type: &'static str) -> Response {
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response
}
