//! The listener of the public door, and how it leaves.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use epro_process::config::IntakeConfig;
use epro_process::server::{Bounds, Server};
use epro_process::shutdown::Shutdown;

/// For how long, of its time for draining, a door that leaves still serves and ends each connection with its answer.
/// Whoever sends more often than that never meets a connection that is just being closed.
const FAREWELL: Duration = Duration::from_millis(500);

/// Binds the address. The future serves until asked to leave: then answers say that they are the last on their
/// connection, a little later nothing new is accepted, and what is in flight gets its time.
pub(crate) fn bind(
    config: &IntakeConfig,
    tls: Option<RustlsConfig>,
    router: Router,
    shutdown: Shutdown,
) -> io::Result<(SocketAddr, impl Future<Output = io::Result<()>> + use<>)> {
    let bounds =
        Bounds { connections: config.connections, head: config.header_timeout, idle: config.idle_timeout };
    metrics::gauge!("epro_http_connections_limit").set(config.connections as f64);
    let server = Server::bind(config.listen, bounds, metrics::gauge!("epro_http_connections"))?;
    let server = server.behind(config.trusted_proxies.clone());
    let (address, drain) = (server.address(), config.drain);
    let handle = Handle::new();
    let asked = shutdown.clone();
    let mut serving = server.serve(router, tls, handle.clone(), move || asked.is_requested());
    Ok((address, async move {
        tokio::select! {
            ended = &mut serving => return ended,
            () = farewell(&shutdown) => handle.graceful_shutdown(Some(drain.saturating_sub(FAREWELL))),
        }
        serving.await
    }))
}

async fn farewell(shutdown: &Shutdown) {
    shutdown.requested().await;
    tokio::time::sleep(FAREWELL).await;
}
