//! Foreign systems that say back what they were told, wherever an answer has room for words.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A stream that a foreign system reads and writes.
type Line = BufStream<TcpStream>;

/// A running one.
pub(crate) struct Echo {
    pub(crate) port: u16,
    answered: Arc<AtomicUsize>,
    _serving: JoinSet<()>,
}

impl Echo {
    /// Answers each connection by `serve`, which gets the number of what it answers.
    async fn open<F>(serve: impl Fn(Line, Arc<AtomicUsize>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Option<()>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, answered) = (listener.local_addr().unwrap().port(), Arc::<AtomicUsize>::default());
        let (mut serving, counted) = (JoinSet::new(), Arc::clone(&answered));
        serving.spawn(async move {
            let mut lines = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                lines.spawn(serve(BufStream::new(stream), Arc::clone(&counted)));
            }
        });
        Self { port, answered, _serving: serving }
    }

    /// How often it has answered.
    pub(crate) fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }

    /// An HTTP service that answers with these statuses in turn.
    pub(crate) async fn http(statuses: &'static [u16]) -> Self {
        Self::open(move |mut line, count| async move {
            loop {
                let request = http_request(&mut line).await?;
                let status = statuses[count.load(Ordering::SeqCst) % statuses.len()];
                line.write_all(http_answer(status, &request).as_bytes()).await.ok()?;
                line.flush().await.ok()?;
                count.fetch_add(1, Ordering::SeqCst);
            }
        })
        .await
    }

    /// An interface engine that answers AR, AE, for another message, and with what is no ACK.
    pub(crate) async fn mllp() -> Self {
        Self::open(|mut line, count| async move {
            loop {
                let mut message = Vec::new();
                while !message.ends_with(b"\x1c\r") {
                    message.push(line.read_u8().await.ok()?);
                }
                let message = String::from_utf8_lossy(&message[1..message.len() - 2]).into_owned();
                let (id, mark) = (message.split('|').nth(9)?, mark(&message));
                let errors = format!("ERR|{mark}|{mark}^1^{mark}|{mark}^{mark}|E|{mark}||{mark}|{mark}");
                let ack = |code: &str, id: &str| {
                    format!("\x0bMSH|^~\\&|{mark}|{mark}\rMSA|{code}|{id}|{mark}\r{errors}\r\x1c\r")
                };
                let answer = match count.load(Ordering::SeqCst) % 4 {
                    0 => ack("AE", id),
                    1 => ack("AR", id),
                    2 => ack("AA", &mark),
                    _ => message,
                };
                line.write_all(answer.as_bytes()).await.ok()?;
                line.flush().await.ok()?;
                count.fetch_add(1, Ordering::SeqCst);
            }
        })
        .await
    }

    /// A mail server that refuses the login, the recipient, and the mail, in turn.
    pub(crate) async fn smtp() -> Self {
        Self::open(|mut line, count| async move {
            say(&mut line, "220 ready").await?;
            let turn = count.fetch_add(1, Ordering::SeqCst) % 3;
            let mut told = String::new();
            loop {
                let mut command = String::new();
                if line.read_line(&mut command).await.ok()? == 0 {
                    return None;
                }
                told.push_str(command.trim_end());
                match command.get(..4)?.to_ascii_uppercase().as_str() {
                    "EHLO" => say(&mut line, "250-here\r\n250 AUTH PLAIN LOGIN").await?,
                    "AUTH" if turn == 0 => say(&mut line, &format!("535 {told}")).await?,
                    "AUTH" => say(&mut line, "235 welcome").await?,
                    "RCPT" if turn == 1 => say(&mut line, &format!("550 {told}")).await?,
                    "DATA" => {
                        say(&mut line, "354 go on").await?;
                        let mut mail = String::new();
                        while !mail.ends_with("\r\n.\r\n") {
                            line.read_line(&mut mail).await.ok()?;
                        }
                        let words = mail.replace(['\r', '\n'], " ");
                        say(&mut line, &format!("554 {told} {words}")).await?;
                    }
                    "QUIT" => return say(&mut line, "221 bye").await,
                    _ => say(&mut line, "250 so").await?,
                }
            }
        })
        .await
    }
}

async fn say(line: &mut Line, words: &str) -> Option<()> {
    line.write_all(format!("{words}\r\n").as_bytes()).await.ok()?;
    line.flush().await.ok()
}

async fn http_request(line: &mut Line) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(line.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let length = |line: &str| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned);
    let mut body = vec![0; head.lines().find_map(length)?.parse().ok()?];
    line.read_exact(&mut body).await.ok()?;
    Some(head + &String::from_utf8_lossy(&body))
}

fn http_answer(status: u16, request: &str) -> String {
    let mark = mark(request);
    let issue = json!({"severity": "error", "code": mark, "expression": [mark], "location": [mark],
        "diagnostics": request, "details": {"text": request, "coding": [{"system": mark, "code": mark}]}});
    let body = json!({"resourceType": "OperationOutcome", "id": mark, "issue": [issue],
        "error": mark, "error_description": request, "access_token": mark, "token_type": mark})
    .to_string();
    let headers = ["Retry-After", "Date", "Location", "WWW-Authenticate", "Set-Cookie", "X-Words", &mark];
    let headers: String = headers.iter().map(|name| format!("{name}: {mark}\r\n")).collect();
    let length = body.len();
    format!(
        "HTTP/1.1 {status} {mark}\r\nContent-Type: application/fhir+json\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )
}

/// The first planted value in what was told.
fn mark(told: &str) -> String {
    let found = told.find("quillon").and_then(|at| told.get(at..at + "quillon".len() + 20));
    found.unwrap_or("nothing").to_owned()
}
