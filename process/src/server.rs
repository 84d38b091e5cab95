//! A listener for HTTP/1.1 that strangers can't wear out: bounds on how many connections there are, on the size of a
//! head, and on how long a first head, an idle connection and an answer that nobody takes may last.

mod places;
mod proxies;

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use axum::{Router, ServiceExt};
use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use tower::Layer as _;
use tower::util::MapResponseLayer;

use crate::config::TrustedProxies;
pub use places::Peer;
use places::{Listener, Places};
use proxies::Behind;

/// The largest head of a request, in bytes: a token of 8 KiB, and as much for what proxies add.
pub const MAX_HEAD: usize = 16 * 1024;

/// What one listener bears.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Most connections; the next one waits in the kernel's backlog until one is closed.
    pub connections: usize,
    /// How long a TLS handshake may take, and the head of a connection's first request.
    pub head: Duration,
    /// How long a connection may stay open between requests, which bounds its later heads too, and how long an answer
    /// may wait for its client to take something of it.
    pub idle: Duration,
}

/// Serves until its handle asks it to leave.
pub type Serving = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

/// A bound address.
pub struct Server {
    listener: Listener,
    places: Places,
    bounds: Bounds,
    address: SocketAddr,
    proxies: TrustedProxies,
}

impl Server {
    /// Binds the address. `open` says how many connections there are.
    ///
    /// # Errors
    /// When the address can't be bound.
    pub fn bind(listen: SocketAddr, bounds: Bounds, open: metrics::Gauge) -> io::Result<Self> {
        let places = Places::new(bounds.connections, open);
        let listener = Listener::bind(listen, places.clone(), bounds.idle)?;
        let address = listener.address()?;
        Ok(Self { listener, places, bounds, address, proxies: TrustedProxies::default() })
    }

    /// The same behind these proxies: a request that one of them passes on comes from whom it says.
    pub fn behind(self, proxies: TrustedProxies) -> Self {
        Self { proxies, ..self }
    }

    /// Where it listens, which differs from what was asked for when that had port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves these routes, by TLS if there is a certificate. Once it is `leaving`, each answer is the last on its
    /// connection; while places are scarce, too: whoever is served holds no place afterwards, and the next one comes
    /// soon.
    pub fn serve(
        self,
        router: Router,
        tls: Option<RustlsConfig>,
        handle: Handle<Peer>,
        leaving: impl Fn() -> bool + Clone + Send + Sync + 'static,
    ) -> Serving {
        let Self { listener, places, bounds, address: _, proxies } = self;
        let mut server = axum_server::Server::<Peer>::from_listener(listener)
            .http1_only()
            .first_request_timeout(bounds.head)
            .handle(handle);
        // hyper knows no time for a later head alone: this one runs from the end of an answer to the next head's. A
        // client that sends on a connection that is just being closed can't know what became of its request, so it must
        // be longer than clients wait.
        server.http_builder().http1().header_read_timeout(bounds.idle).max_buf_size(MAX_HEAD);
        // Around all routes and not as a layer of theirs, each of which costs every request a box of everything below.
        let service = MapResponseLayer::new(move |mut answer: Response| {
            if places.are_scarce() || leaving() {
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            answer
        });
        let service = Behind { proxies, service: service.layer(router) };
        let service = ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(service);
        match tls {
            None => Box::pin(server.serve(service)),
            Some(tls) => {
                let acceptor = RustlsAcceptor::new(tls).handshake_timeout(bounds.head);
                Box::pin(server.acceptor(acceptor).serve(service))
            }
        }
    }
}
