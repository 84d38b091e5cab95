//! Where a foreign system listens; it can be shut and opened again at the same address.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// A connection, with TLS or without.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// An open door; dropped, it is shut and every connection is cut.
#[derive(Debug)]
pub struct Door {
    address: SocketAddr,
    /// Holds the one task that accepts.
    _accepting: JoinSet<()>,
}

impl Door {
    /// Listens at `address` and hands every connection to `serve`. While `down` says so, nobody can connect.
    pub async fn open<F>(
        address: SocketAddr,
        tls: Option<TlsAcceptor>,
        mut down: watch::Receiver<bool>,
        serve: impl Fn(Box<dyn Stream>) -> F + Send + Sync + 'static,
    ) -> Result<Self>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await.with_context(|| format!("listen at {address}"))?;
        let address = listener.local_addr()?;
        let serve = Arc::new(serve);
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut listener = Some(listener);
            loop {
                if *down.borrow_and_update() {
                    drop(listener.take());
                    if down.changed().await.is_err() {
                        return;
                    }
                    continue;
                }
                let open = match listener.take() {
                    Some(open) => open,
                    None => match TcpListener::bind(address).await {
                        Ok(open) => open,
                        Err(_) => {
                            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                            continue;
                        }
                    },
                };
                accept(&open, tls.as_ref(), &mut down, &serve).await;
                listener = Some(open);
            }
        });
        Ok(Self { address, _accepting: accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Accepts until `down` changes; then every connection is cut.
async fn accept<S, F>(
    listener: &TcpListener,
    tls: Option<&TlsAcceptor>,
    down: &mut watch::Receiver<bool>,
    serve: &Arc<S>,
) where
    S: Fn(Box<dyn Stream>) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // Once nobody can say so any more, it stays open.
            Ok(_) = down.wait_for(|down| *down) => return,
            Some(_) = connections.join_next() => {}
            Ok((stream, _)) = listener.accept() => {
                let (serve, tls) = (Arc::clone(serve), tls.cloned());
                connections.spawn(async move {
                    let _ = stream.set_nodelay(true);
                    match tls {
                        None => serve(Box::new(stream)).await,
                        Some(tls) => match tls.accept(stream).into_fallible().await {
                            Ok(stream) => serve(Box::new(stream)).await,
                            Err((_, stream)) => linger(stream).await,
                        },
                    }
                });
            }
        }
    }
}

/// Closes so that the other side can read why: whoever closes with something unread resets the connection.
async fn linger(mut stream: TcpStream) {
    let _ = stream.shutdown().await;
    let mut rest = [0; 1024];
    while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
}
