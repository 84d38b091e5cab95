//! The listener of the public door.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use epro_process::config::IntakeConfig;
use epro_process::shutdown::Shutdown;

/// The largest head of a request, in bytes: a token, and room for what proxies add.
const MAX_HEAD: usize = 32 * 1024;
/// For how long, of its time for draining, a door that leaves still serves and ends each connection with its answer.
/// Whoever sends more often than that never meets a connection that is just being closed.
const FAREWELL: Duration = Duration::from_millis(500);

type Serving = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

/// Binds the address. The future serves until asked to leave: then answers say that they are the last on their
/// connection, a little later nothing new is accepted, and what is in flight gets its time.
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
    let service = saying_farewell(router, &shutdown).into_make_service_with_connect_info::<SocketAddr>();
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
            () = farewell(&shutdown) => handle.graceful_shutdown(Some(drain.saturating_sub(FAREWELL))),
        }
        serving.await
    }))
}

async fn farewell(shutdown: &Shutdown) {
    shutdown.requested().await;
    tokio::time::sleep(FAREWELL).await;
}

/// Once it is asked to leave, each answer is the last on its connection.
fn saying_farewell(router: Router, shutdown: &Shutdown) -> Router {
    let shutdown = shutdown.clone();
    router.layer(middleware::from_fn(move |request: Request, next: Next| {
        let shutdown = shutdown.clone();
        async move {
            let mut answer = next.run(request).await;
            if shutdown.is_requested() {
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            answer
        }
    }))
}
