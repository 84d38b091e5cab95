//! The files that pages load: style, icon, htmx. All of them are part of the binary.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::session::hex;

struct File {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
    /// Of its content.
    mark: String,
}

static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    let file = |name, kind, bytes: &'static [u8]| {
        let mark = hex(digest(&SHA256, bytes).as_ref().get(..6).unwrap_or_default());
        File { name, kind, bytes, mark }
    };
    vec![
        file("console.css", "text/css; charset=utf-8", include_bytes!("../../console/console.css")),
        file("icon.svg", "image/svg+xml", include_bytes!("../../console/icon.svg")),
        file("htmx.min.js", SCRIPT, include_bytes!("../../console/vendored/htmx.min.js")),
        file("sse.min.js", SCRIPT, include_bytes!("../../console/vendored/sse.min.js")),
    ]
});

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Where a file is.
pub(super) fn address(name: &str) -> String {
    let mark = FILES.iter().find(|file| file.name == name).map_or("", |file| &file.mark);
    format!("/files/{name}?{mark}")
}

/// `GET /files/{name}`.
pub(super) async fn handle(Path(name): Path<String>) -> Response {
    let Some(file) = FILES.iter().find(|file| file.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let keep = "public, max-age=31536000, immutable";
    ([(header::CONTENT_TYPE, file.kind), (header::CACHE_CONTROL, keep)], file.bytes).into_response()
}
