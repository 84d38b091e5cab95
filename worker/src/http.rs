//! HTTP towards foreign systems: no redirect is followed, no proxy is asked, no answer is believed to be small.

pub(crate) mod body;
pub(crate) mod retry_after;

use std::time::Duration;

use epro_process::config::{Problem, TlsConfig};

/// An idle connection older than this is not used again: the other side may close it at that moment.
const IDLE: Duration = Duration::from_secs(20);

/// A client for one foreign system. It has no timeout of its own: each call is bounded by who makes it.
///
/// # Errors
/// Everything that is wrong with the files of `tls`, under `path`.
pub(crate) fn client(tls: &TlsConfig, path: &str) -> Result<reqwest::Client, Vec<Problem>> {
    let tls = epro_process::tls::client_config(tls, path)?;
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .http1_only()
        .pool_idle_timeout(IDLE)
        .user_agent(concat!("epro-relay/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|_| vec![Problem::new(path, "no HTTP client can be made with it")])
}

/// `Content-Type` without its parameters, in lower case; empty if there is none.
pub(crate) fn media_type(headers: &reqwest::header::HeaderMap) -> String {
    let value = headers.get(reqwest::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media = value.unwrap_or_default().split(';').next().unwrap_or_default();
    media.trim().to_ascii_lowercase()
}

/// A status in the words of the standard, never in those of the other side: `503 Service Unavailable`.
pub(crate) fn status_line(status: reqwest::StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}
