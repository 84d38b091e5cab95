//! The places for connections. Whoever finds none waits in the kernel's backlog, neither refused nor cut off.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum_server::{AddrListener, Address};
use metrics::Gauge;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};

/// How many may wait in the kernel for a place; it bounds that further (`net.core.somaxconn`).
const BACKLOG: u32 = 1024;

/// How many connections may be open, and how many are.
#[derive(Clone)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    most: usize,
    open: Gauge,
}

impl Places {
    pub(super) fn new(most: usize, open: Gauge) -> Self {
        Self { free: Arc::new(Semaphore::new(most)), most, open }
    }

    /// Whether less than a quarter is left.
    pub(super) fn are_scarce(&self) -> bool {
        self.free.available_permits() < self.most / 4
    }

    /// A place, once there is one.
    async fn take(&self) -> io::Result<OwnedSemaphorePermit> {
        // Nobody closes it.
        self.free.clone().acquire_owned().await.map_err(io::Error::other)
    }
}

/// A listener that accepts nobody for whom there is no place.
pub struct Listener {
    tcp: TcpListener,
    places: Places,
    patience: Duration,
}

impl Listener {
    pub(super) fn bind(listen: SocketAddr, places: Places, patience: Duration) -> io::Result<Self> {
        let socket = if listen.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(listen)?;
        Ok(Self { tcp: socket.listen(BACKLOG)?, places, patience })
    }

    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// Where a connection comes from.
#[derive(Clone, Copy, Debug)]
pub struct Peer(SocketAddr);

impl Address for Peer {
    type Stream = Held;
    type Listener = Listener;
}

impl Connected<Peer> for SocketAddr {
    fn connect_info(peer: Peer) -> Self {
        peer.0
    }
}

impl AddrListener<Held, Peer> for Listener {
    /// Not how this one is made: it would not know its places.
    async fn bind_to(_: Peer) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn accept_stream(&self) -> io::Result<(Held, Peer)> {
        let place = self.places.take().await?;
        let (stream, from) = self.tcp.accept().await?;
        // That one is gone again shows when it is read.
        let _ = stream.set_nodelay(true);
        let open = self.places.open.clone();
        Ok((Held::new(stream, place, open, self.patience), Peer(from)))
    }

    fn get_local_addr(&self) -> io::Result<Peer> {
        self.address().map(Peer)
    }
}

/// A connection in its place, which it gives back when it goes.
pub struct Held {
    stream: TcpStream,
    _place: OwnedSemaphorePermit,
    open: Gauge,
    patience: Duration,
    /// When whoever takes nothing of what is sent is given up.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Held {
    fn new(stream: TcpStream, place: OwnedSemaphorePermit, open: Gauge, patience: Duration) -> Self {
        open.increment(1.0);
        Self { stream, _place: place, open, patience, stalled: None }
    }

    /// What was sent, or an error if nothing could be for too long: hyper would wait for ever, and the place with it.
    fn unless_stalled<T>(
        &mut self,
        sent: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if sent.is_ready() {
            self.stalled = None;
            return sent;
        }
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(patience)));
        stalled.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.open.decrement(1.0);
    }
}

impl AsyncRead for Held {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Held {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let held = self.get_mut();
        let sent = Pin::new(&mut held.stream).poll_write(context, bytes);
        held.unless_stalled(sent, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let held = self.get_mut();
        let sent = Pin::new(&mut held.stream).poll_write_vectored(context, bytes);
        held.unless_stalled(sent, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
