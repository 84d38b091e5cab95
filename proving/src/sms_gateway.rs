//! An HTTP gateway for text messages of a test's own: it keeps what it took, and can refuse or be silent.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::until;

/// A request that the gateway took.
#[derive(Clone, Debug)]
pub struct Text {
    /// When.
    pub at: SystemTime,
    /// The notice's id, from the header `Idempotency-Key`.
    pub id: String,
    /// Headers as they came, `name: value` a line, names in lower case.
    pub headers: String,
    /// The body.
    pub body: String,
}

/// How it behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Takes every message: 200.
    Takes,
    /// Answers every message with that status, and keeps none.
    Answers(u16),
    /// Reads, and never answers.
    Silent,
}

#[derive(Debug)]
struct Desk {
    manner: Mutex<Manner>,
    texts: Mutex<Vec<Text>>,
}

/// A running gateway; ended with this value.
#[derive(Debug)]
pub struct SmsGateway {
    address: std::net::SocketAddr,
    desk: Arc<Desk>,
    serving: Mutex<JoinSet<()>>,
}

impl SmsGateway {
    /// Starts one.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let desk = Arc::new(Desk { manner: Mutex::new(Manner::Takes), texts: Mutex::default() });
        let gateway = Self { address, desk, serving: Mutex::default() };
        gateway.serve(listener);
        Ok(gateway)
    }

    fn serve(&self, listener: TcpListener) {
        let desk = Arc::clone(&self.desk);
        lock(&self.serving).spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let desk = Arc::clone(&desk);
                connections.spawn(async move {
                    // A client that goes away in the middle is its own affair.
                    let _ = answer(stream, &desk).await;
                });
            }
        });
    }

    /// Its `host:port`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// `alerts.sms` of a configuration that sends here.
    pub fn config(&self) -> Value {
        json!({"url": format!("http://{}/messages", self.address), "idempotency_header": "Idempotency-Key",
               "timeout": "2s"})
    }

    /// How it behaves from now on.
    pub fn behave(&self, manner: Manner) {
        *lock(&self.desk.manner) = manner;
    }

    /// Nobody listens any more.
    pub async fn down(&self) {
        let mut serving = std::mem::take(&mut *lock(&self.serving));
        serving.shutdown().await;
    }

    /// It listens again, on its port.
    pub async fn up(&self) -> Result<()> {
        let listener = TcpListener::bind(self.address).await.context("the gateway's port")?;
        self.serve(listener);
        Ok(())
    }

    /// What it took so far, in the order of arrival.
    pub fn texts(&self) -> Vec<Text> {
        lock(&self.desk.texts).clone()
    }

    /// Waits until it has taken so many, and gives them.
    pub async fn holds(&self, count: usize) -> Result<Vec<Text>> {
        until(&format!("{count} text messages"), Duration::from_secs(60), || async {
            let texts = self.texts();
            Ok((texts.len() >= count).then_some(texts))
        })
        .await
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(mut stream: TcpStream, desk: &Desk) -> Result<()> {
    let (headers, body) = request(&mut stream).await?;
    let manner = *lock(&desk.manner);
    let status = match manner {
        Manner::Takes => 200,
        Manner::Answers(status) => status,
        Manner::Silent => return std::future::pending().await,
    };
    if status < 300 {
        let id = headers.lines().find_map(|line| line.strip_prefix("idempotency-key: "));
        let id = id.unwrap_or_default().to_owned();
        lock(&desk.texts).push(Text { at: SystemTime::now(), id, headers, body });
    }
    let answer = format!("HTTP/1.1 {status} so\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}");
    stream.write_all(answer.as_bytes()).await?;
    Ok(stream.shutdown().await?)
}

async fn request(stream: &mut TcpStream) -> Result<(String, String)> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        anyhow::ensure!(stream.read_buf(&mut bytes).await? > 0, "it ended early");
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let lower = |line: &str| match line.split_once(':') {
        Some((name, value)) => format!("{}: {}", name.to_ascii_lowercase(), value.trim()),
        None => line.to_owned(),
    };
    let headers = text.lines().map(lower).collect::<Vec<_>>().join("\n");
    let length = headers.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.unwrap_or("0").parse()?;
    while bytes.len() < head + length {
        anyhow::ensure!(stream.read_buf(&mut bytes).await? > 0, "it ended early");
    }
    Ok((headers, String::from_utf8_lossy(&bytes[head..head + length]).into_owned()))
}
