//! The admin port: `/livez`, `/readyz`, `/metrics`.

mod readiness;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum_server::Handle;

use crate::config::AdminConfig;
use crate::server::{Bounds, Server};
use crate::telemetry::Metrics;
pub use readiness::{Part, Readiness};

const UPKEEP: Duration = Duration::from_secs(5);
/// What the admin port bears: probes and scrapers are few, and nobody else has to get in.
const BOUNDS: Bounds =
    Bounds { connections: 128, head: Duration::from_secs(5), idle: Duration::from_secs(75) };

/// Starts the admin server in the background, for the life of the process. Gives the address that
/// it listens on, which differs from the configured one when that has port 0.
///
/// # Errors
/// When the address can't be bound.
pub async fn start(config: &AdminConfig, readiness: Readiness, metrics: Metrics) -> io::Result<SocketAddr> {
    let server = Server::bind(config.listen, BOUNDS, metrics::Gauge::noop())?;
    let address = server.address();
    let upkeep = metrics.clone();
    crate::task::spawn("metrics upkeep", async move {
        let mut tick = tokio::time::interval(UPKEEP);
        loop {
            tick.tick().await;
            upkeep.upkeep();
        }
    });
    crate::task::spawn("admin server", async move {
        if let Err(error) = server.serve(router(readiness, metrics), None, Handle::new(), || false).await {
            tracing::error!(kind = %error.kind(), "the admin server has stopped");
        }
    });
    tracing::info!(%address, "admin port: /livez /readyz /metrics");
    Ok(address)
}

/// The routes, for a test or for a server of one's own.
pub fn router(readiness: Readiness, metrics: Metrics) -> Router {
    let ready = Router::new().route("/readyz", get(readyz)).with_state(readiness);
    Router::new()
        .route("/livez", get(async || "alive\n"))
        .route("/metrics", get(render))
        .with_state(metrics)
        .merge(ready)
}

async fn readyz(State(readiness): State<Readiness>) -> Response {
    let status = if readiness.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::json!({"ready": readiness.is_ready(), "parts": readiness.parts()});
    (status, axum::Json(body)).into_response()
}

async fn render(State(metrics): State<Metrics>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], metrics.render()).into_response()
}
