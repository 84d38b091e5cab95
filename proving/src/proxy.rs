//! A TCP relay for one hop, which can be made to fail at a chosen byte.

mod trip;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use trip::{Side, Then, Trigger, Trip};

/// What the relay does with bytes now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// Everything passes.
    Pass,
    /// Every connection is closed, new ones are closed at once.
    Cut,
    /// Connections stay open, nothing passes either way; what is read waits in the kernel.
    Stall,
    /// At most this many bytes a second, each way, per connection.
    Slow(u32),
    /// That side's bytes pass, the other's don't. With [`Side::Client`] no question is answered, with [`Side::Server`]
    /// none is heard.
    HalfOpen(Side),
}

/// A relay on a free loopback port; ends with this value.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    _accept: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    targets: watch::Sender<Vec<String>>,
    mode: watch::Sender<Mode>,
    /// Goes up with every cut, so that none is missed however soon it passes again.
    cuts: watch::Sender<u64>,
    in_the_way: AtomicU64,
    led_to_nobody: AtomicU64,
    trip: Mutex<Option<trip::Armed>>,
}

impl Proxy {
    /// Relays to `target`, a `host:port` (see [`crate::services::host_port`]).
    pub async fn to(target: &str) -> Result<Self> {
        Self::to_first_of(vec![target.to_owned()]).await
    }

    /// Relays each new connection to the first of these that takes it, as a service of Kubernetes leads to those
    /// that are ready.
    pub async fn to_first_of(targets: Vec<String>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            targets: watch::channel(targets).0,
            mode: watch::channel(Mode::Pass).0,
            cuts: watch::channel(0).0,
            in_the_way: AtomicU64::new(0),
            led_to_nobody: AtomicU64::new(0),
            trip: Mutex::new(None),
        });
        let mut accept = JoinSet::new();
        accept.spawn(accept_all(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, _accept: accept })
    }

    /// Where clients connect, `127.0.0.1:port`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The same URL, led through this relay.
    pub fn lead(&self, url: &str) -> Result<String> {
        crate::services::with_host_port(url, &self.address())
    }

    /// New connections are led to another `host:port` from now on; those that are open stay where they are.
    pub fn turn_to(&self, target: &str) {
        self.turn_to_first_of(vec![target.to_owned()]);
    }

    /// The same with the first of these that takes them.
    pub fn turn_to_first_of(&self, targets: Vec<String>) {
        self.shared.targets.send_replace(targets);
    }

    /// Changes what happens, for all connections, at once.
    pub fn set(&self, mode: Mode) {
        self.shared.set(mode);
    }

    /// Everything passes again.
    pub fn pass(&self) {
        self.set(Mode::Pass);
    }

    /// Closes all connections and refuses new ones until [`Proxy::pass`].
    pub fn cut(&self) {
        self.set(Mode::Cut);
    }

    /// Closes the connections that are open now; new ones pass.
    pub fn cut_once(&self) {
        self.cut();
        self.pass();
    }

    /// Freezes both ways until [`Proxy::pass`].
    pub fn stall(&self) {
        self.set(Mode::Stall);
    }

    /// Once `side` has sent what `trigger` describes, does `then`, and stays so
    /// until [`Proxy::pass`]. Only one trip is armed at a time; a new one replaces it.
    pub fn arm(&self, side: Side, trigger: Trigger, then: Then) -> Trip {
        let (armed, trip) = trip::arm(side, trigger, then);
        *lock(&self.shared.trip) = Some(armed);
        trip
    }

    /// Nothing makes it trip any more.
    pub fn disarm(&self) {
        *lock(&self.shared.trip) = None;
    }

    /// How often it was in somebody's way so far: a connection was cut or refused, or bytes had to wait.
    pub fn in_the_way(&self) -> u64 {
        self.shared.in_the_way.load(Ordering::Relaxed)
    }

    /// How often it passed and nobody took the connection at its other end.
    pub fn led_to_nobody(&self) -> u64 {
        self.shared.led_to_nobody.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.set(Mode::Cut);
    }
}

impl Shared {
    fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
        if mode == Mode::Cut {
            self.cuts.send_modify(|cuts| *cuts += 1);
        }
    }

    fn was_in_the_way(&self) {
        self.in_the_way.fetch_add(1, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept_all(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { continue };
                connections.spawn(relay(client, Arc::clone(&shared)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn relay(client: TcpStream, shared: Arc<Shared>) {
    // A relay's error is the closing of both ends, which both ends see.
    let _ = relay_both(client, shared).await;
}

async fn relay_both(client: TcpStream, shared: Arc<Shared>) -> Result<()> {
    let mut cut = shared.cuts.subscribe();
    if *shared.mode.borrow() == Mode::Cut {
        shared.was_in_the_way();
        return Ok(());
    }
    let targets = shared.targets.borrow().clone();
    let server = connect(&targets).await.inspect_err(|_| {
        shared.led_to_nobody.fetch_add(1, Ordering::Relaxed);
    });
    let server = server.context("the service behind the proxy")?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (client_reads, client_writes) = client.into_split();
    let (server_reads, server_writes) = server.into_split();
    tokio::select! {
        biased;
        // First of all, so that a cut lets nothing more out, however soon the hop passes again.
        _ = cut.changed() => {
            shared.was_in_the_way();
            Ok(())
        }
        // Either end closing closes the other: half-closed TCP is not used by these protocols.
        done = copy(Side::Client, client_reads, server_writes, Arc::clone(&shared)) => done,
        done = copy(Side::Server, server_reads, client_writes, Arc::clone(&shared)) => done,
    }
}

async fn connect(targets: &[String]) -> Result<TcpStream> {
    let mut refused = None;
    for target in targets {
        match TcpStream::connect(target).await {
            Ok(stream) => return Ok(stream),
            Err(error) => refused = Some(error),
        }
    }
    Err(refused.context("a relay to nowhere")?.into())
}

/// How often something passes a slow relay.
const BEAT: Duration = Duration::from_millis(50);

impl Mode {
    /// Whether bytes of that side pass. What was held back when the hop is cut stays back.
    fn passes(self, from: Side) -> bool {
        match self {
            Self::Stall | Self::Cut => false,
            Self::HalfOpen(heard) => from == heard,
            Self::Pass | Self::Slow(_) => true,
        }
    }

    /// The most that passes at once.
    fn at_once(self, all: usize) -> usize {
        match self {
            Self::Slow(rate) => (rate as usize / 20).clamp(1, all),
            _ => all,
        }
    }

    /// After which the next may pass.
    async fn beat(self) {
        if let Self::Slow(_) = self {
            tokio::time::sleep(BEAT).await;
        }
    }
}

/// Waits until that side's bytes pass, and notes whether there were any that had to wait.
async fn lets_pass(
    from: Side,
    mode: &mut watch::Receiver<Mode>,
    reads: &mut OwnedReadHalf,
    shared: &Shared,
) -> Result<Mode> {
    let now = *mode.borrow_and_update();
    if now.passes(from) {
        return Ok(now);
    }
    let passing = async {
        let now = *mode.wait_for(|mode| mode.passes(from)).await?;
        Ok::<Mode, anyhow::Error>(now)
    };
    tokio::pin!(passing);
    let mut first = [0; 1];
    tokio::select! {
        biased;
        now = &mut passing => return now,
        peeked = reads.peek(&mut first) => {
            if peeked.is_ok_and(|bytes| bytes > 0) {
                shared.was_in_the_way();
            }
        }
    }
    passing.await
}

async fn copy(
    from: Side,
    mut reads: OwnedReadHalf,
    mut writes: OwnedWriteHalf,
    shared: Arc<Shared>,
) -> Result<()> {
    let mut mode = shared.mode.subscribe();
    let mut watcher = trip::Watcher::default();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let now = lets_pass(from, &mut mode, &mut reads, &shared).await?;
        let most = now.at_once(buffer.len());
        let read = tokio::select! {
            biased;
            // First, so that nothing that is sent after a change is treated as before it.
            _ = mode.changed() => continue,
            read = reads.read(&mut buffer[..most]) => read?,
        };
        if read == 0 {
            return Ok(());
        }
        if matches!(now, Mode::Slow(_)) {
            shared.was_in_the_way();
        }
        let bytes = &buffer[..read];
        let tripped = lock(&shared.trip).as_mut().and_then(|armed| watcher.look(armed, from, bytes));
        match tripped {
            None => writes.write_all(bytes).await?,
            Some(at) => {
                writes.write_all(&bytes[..at.forward]).await?;
                let armed = lock(&shared.trip).take();
                let cuts = armed.as_ref().is_some_and(|armed| armed.mode() == Mode::Cut);
                if let Some(armed) = armed {
                    shared.set(armed.mode());
                    armed.tell();
                }
                if cuts {
                    // Both ends close here, whoever sees the cut first: nothing more may get out.
                    return Ok(());
                }
                // What was held back still passes if the mode goes back to passing.
                let now = *mode.wait_for(|mode| mode.passes(from)).await?;
                for part in bytes[at.forward..].chunks(now.at_once(bytes.len())) {
                    now.beat().await;
                    writes.write_all(part).await?;
                }
            }
        }
        now.beat().await;
    }
}

#[cfg(test)]
mod tests;
