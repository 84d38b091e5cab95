//! The console's listener.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use epro_process::config::ConsoleConfig;
use epro_process::server::{Bounds, Server};
use epro_process::shutdown::Shutdown;

/// Whoever has a page open has one or two of them; the next one waits until one is closed.
const CONNECTIONS: usize = 128;
/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(5);
/// How long a connection may stay open between requests.
const IDLE: Duration = Duration::from_secs(75);
/// After SIGTERM, for what is in flight. Streams end at once.
const DRAIN: Duration = Duration::from_secs(10);

/// Binds the address, which speaks TLS if there is a certificate. The future serves until asked to leave, and then
/// what is in flight to its end.
pub(crate) fn bind(
    config: &ConsoleConfig,
    tls: Option<RustlsConfig>,
    router: Router,
    shutdown: Shutdown,
) -> io::Result<(SocketAddr, impl Future<Output = io::Result<()>> + use<>)> {
    let bounds = Bounds { connections: CONNECTIONS, head: HEAD, idle: IDLE };
    // Nobody collects metrics of a console.
    let server = Server::bind(config.listen, bounds, metrics::Gauge::noop())?;
    let server = server.behind(config.trusted_proxies.clone());
    let (address, handle) = (server.address(), Handle::new());
    let mut serving = server.serve(router, tls, handle.clone(), || false);
    Ok((address, async move {
        tokio::select! {
            ended = &mut serving => return ended,
            () = shutdown.requested() => handle.graceful_shutdown(Some(DRAIN)),
        }
        serving.await
    }))
}
