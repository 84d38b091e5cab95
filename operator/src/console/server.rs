//! The console's listener.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use epro_process::shutdown::Shutdown;

/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(5);
/// How long a connection may stay open between requests.
const IDLE: Duration = Duration::from_secs(75);
/// After SIGTERM, for what is in flight. Streams end at once.
const DRAIN: Duration = Duration::from_secs(10);

/// Binds the address. The future serves until asked to leave, and then what is in flight to its end.
pub(crate) fn bind(
    listen: SocketAddr,
    router: Router,
    shutdown: Shutdown,
) -> io::Result<(SocketAddr, impl Future<Output = io::Result<()>> + use<>)> {
    let listener = TcpListener::bind(listen)?;
    let address = listener.local_addr()?;
    let mut server = axum_server::from_tcp(listener)?.http1_only().first_request_timeout(HEAD);
    server.http_builder().http1().header_read_timeout(IDLE).max_buf_size(32 * 1024);
    let handle = Handle::new();
    let server = server.handle(handle.clone());
    Ok((address, async move {
        let mut serving =
            std::pin::pin!(server.serve(router.into_make_service_with_connect_info::<SocketAddr>()));
        tokio::select! {
            ended = &mut serving => return ended,
            () = shutdown.requested() => handle.graceful_shutdown(Some(DRAIN)),
        }
        serving.await
    }))
}
