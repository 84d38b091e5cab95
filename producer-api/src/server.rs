//! The listener of the public door.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use epro_process::config::IntakeConfig;
use epro_process::shutdown::Shutdown;

/// The largest head of a request, in bytes: a token, and room for what proxies add.
const MAX_HEAD: usize = 32 * 1024;

type Serving = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

/// Binds the address. The future serves until asked to leave: then nothing new is accepted, and
/// what is in flight gets its time.
pub(crate) fn bind(
    config: &IntakeConfig,
    tls: Option<RustlsConfig>,
    router: Router,
    shutdown: Shutdown,
) -> io::Result<(SocketAddr, impl Future<Output = io::Result<()>> + use<>)> {
    let listener = TcpListener::bind(config.listen)?;
    let address = listener.local_addr()?;
    let mut server = axum_server::from_tcp(listener)?
        .http1_only()
        .first_request_timeout(config.header_timeout)
        .acceptor(NoDelayAcceptor::new());
    // This one also runs between requests. A client that sends on a connection that is just being
    // closed can't know what became of its request, so it must be longer than clients wait.
    server.http_builder().http1().header_read_timeout(config.idle_timeout).max_buf_size(MAX_HEAD);
    let handle = Handle::new();
    let server = server.handle(handle.clone());
    let (drain, patience): (Duration, Duration) = (config.drain, config.header_timeout);
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let mut serving: Serving = match tls {
        None => Box::pin(server.serve(service)),
        Some(tls) => {
            let secure = |plain| RustlsAcceptor::new(tls).handshake_timeout(patience).acceptor(plain);
            Box::pin(server.map(secure).serve(service))
        }
    };
    Ok((address, async move {
        tokio::select! {
            ended = &mut serving => return ended,
            () = shutdown.requested() => handle.graceful_shutdown(Some(drain)),
        }
        serving.await
    }))
}
