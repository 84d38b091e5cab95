//! AMQP over TLS.
//!
//! lapin drives whatever stream its reactor connects, so ours speaks TLS before it gives the stream away: with our
//! own authorities and our own certificate. lapin's own TLS would bring eighty crates, and no client certificate
//! to a pooled connection.

use std::future::Future;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_compat::{Compat, CompatExt as _};
use async_rs::traits::Reactor;
use async_rs::util::RuntimeParts;
use async_rs::{Runtime, Tokio};
use futures_util::{AsyncRead, AsyncWrite, Stream};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// What lapin runs on where the broker is reached over TLS.
pub(crate) type SecureRuntime = Runtime<RuntimeParts<Tokio, Secure>>;

/// Connects over TCP, then TLS, to the host of this name.
#[derive(Clone, Debug)]
pub(crate) struct Secure {
    tokio: Tokio,
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// The runtime for a broker whose certificate has to be for `name`.
pub(crate) fn runtime(config: Arc<ClientConfig>, name: ServerName<'static>) -> SecureRuntime {
    let tokio = Tokio::current();
    Runtime::new(RuntimeParts::new(tokio.clone(), Secure { tokio, config, name }))
}

impl Reactor for Secure {
    type TcpStream = Compat<TlsStream<TcpStream>>;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        self.tokio.register(socket)
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.tokio.sleep(duration)
    }

    fn interval(&self, duration: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.tokio.interval(duration)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        let (connector, name) = (TlsConnector::from(Arc::clone(&self.config)), self.name.clone());
        async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(connector.connect(name, stream).await?.compat())
        }
    }
}
