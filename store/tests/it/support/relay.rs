//! A TCP relay that can lose what belongs to a commit.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// What happens to the next commit, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// It never reaches the server: both sides are closed.
    LoseCommit,
    /// It never reaches the server, and neither side hears of it.
    WithholdCommit,
    /// The server commits; its answer is lost and both sides are closed.
    LoseAnswer,
    /// The server commits; its answer is lost and the client's side stays open, silent.
    WithholdAnswer,
}

pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    _accepting: JoinSet<()>,
}

/// How a commit is told on the wire.
#[derive(Debug, Clone, Copy)]
struct Words {
    sent: &'static [u8],
    done: &'static [u8],
}

/// A transaction's own word.
const STEPS: Words = Words { sent: b"COMMIT\0", done: b"COMMIT\0" };
/// A parameter and the answer of the statement that is a transaction by itself.
const AT_ONCE: Words = Words { sent: b"submission.stored", done: b"all new" };

struct State {
    words: Words,
    fault: Mutex<Fault>,
    struck: Notify,
}

impl Relay {
    /// Relays to `EPRO_TEST_DATABASE_URL`.
    pub(crate) async fn start() -> Self {
        Self::watching(STEPS).await
    }

    /// The same for chunks that one statement commits.
    pub(crate) async fn for_chunks_at_once() -> Self {
        Self::watching(AT_ONCE).await
    }

    async fn watching(words: Words) -> Self {
        let server = std::env::var("EPRO_TEST_DATABASE_URL").unwrap();
        let config: tokio_postgres::Config = server.parse().unwrap();
        let tokio_postgres::config::Host::Tcp(host) = config.get_hosts()[0].clone() else {
            panic!("EPRO_TEST_DATABASE_URL names a socket");
        };
        let upstream = (host, config.get_ports().first().copied().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State { words, fault: Mutex::new(Fault::None), struck: Notify::new() });
        let mut accepting = JoinSet::new();
        let shared = Arc::clone(&state);
        accepting.spawn(async move {
            let mut pairs = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let server = TcpStream::connect(upstream.clone()).await.unwrap();
                pairs.spawn(relay(client, server, Arc::clone(&shared)));
            }
        });
        Self { address, state, _accepting: accepting }
    }

    pub(crate) fn next(&self, fault: Fault) {
        *self.state.fault.lock().unwrap() = fault;
    }

    /// Waits until the fault has happened.
    pub(crate) async fn struck(&self) {
        self.state.struck.notified().await;
    }
}

async fn relay(mut client: TcpStream, mut server: TcpStream, state: Arc<State>) {
    let (mut from_client, mut from_server) = (vec![0; 65_536], vec![0; 65_536]);
    let mut sent = Vec::new();
    let mut struck: Option<Fault> = None;
    let mut answered = Vec::new();
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let Ok(n @ 1..) = read else { return };
                sent.extend_from_slice(&from_client[..n]);
                let fault = *state.fault.lock().unwrap();
                if fault != Fault::None && contains(&sent, state.words.sent) {
                    *state.fault.lock().unwrap() = Fault::None;
                    if fault == Fault::LoseCommit {
                        state.struck.notify_one();
                        return;
                    }
                    if fault == Fault::WithholdCommit {
                        state.struck.notify_one();
                        // The server's side ends when the server ends it.
                        while matches!(server.read(&mut from_server).await, Ok(1..)) {}
                        return;
                    }
                    struck = Some(fault);
                }
                // Only the end is kept: the word may come in two pieces.
                sent.drain(..sent.len().saturating_sub(state.words.sent.len() - 1));
                server.write_all(&from_client[..n]).await.unwrap();
            }
            read = server.read(&mut from_server) => {
                let Ok(n @ 1..) = read else { return };
                match struck {
                    None => client.write_all(&from_server[..n]).await.unwrap(),
                    Some(fault) => {
                        answered.extend_from_slice(&from_server[..n]);
                        if contains(&answered, state.words.done) {
                            state.struck.notify_one();
                            if fault == Fault::LoseAnswer {
                                return;
                            }
                        }
                    }
                }
            }
        }
    }
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}
