//! Foreign systems that say back what they were told, wherever an answer has room for words, and keep it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A stream that a foreign system reads and writes.
type Line = BufStream<TcpStream>;

/// What a mark begins with.
const MARK: &str = "quillon";
/// How a mail ends on its way.
const MAIL_ENDS: &[u8] = b"\r\n.\r\n";

/// What one was told, and how often it has answered.
#[derive(Clone, Default)]
struct Kept {
    answered: Arc<AtomicUsize>,
    told: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Kept {
    fn hears(&self, words: &[u8]) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).push(words.to_vec());
    }

    /// How often it had answered before.
    fn answers(&self) -> usize {
        self.answered.fetch_add(1, Ordering::SeqCst)
    }

    fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }
}

/// A running one.
pub(crate) struct Echo {
    pub(crate) port: u16,
    kept: Kept,
    _serving: JoinSet<()>,
}

impl Echo {
    /// Answers each connection by `serve`, which keeps what it is told and counts what it answers.
    async fn open<F>(serve: impl Fn(Line, Kept) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Option<()>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, kept) = (listener.local_addr().unwrap().port(), Kept::default());
        let (mut serving, keeping) = (JoinSet::new(), kept.clone());
        serving.spawn(async move {
            let mut lines = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                lines.spawn(serve(BufStream::new(stream), keeping.clone()));
            }
        });
        Self { port, kept, _serving: serving }
    }

    /// How often it has answered.
    pub(crate) fn answered(&self) -> usize {
        self.kept.answered()
    }

    /// Everything that it was told so far, as it came: requests with their heads, commands and mails one by one.
    pub(crate) fn told(&self) -> Vec<Vec<u8>> {
        self.kept.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// An HTTP service that answers with these statuses in turn.
    pub(crate) async fn http(statuses: &'static [u16]) -> Self {
        Self::answering(move |turn, request| {
            refusal(statuses[turn % statuses.len()], &mark(request), request)
        })
        .await
    }

    /// An HTTP service whose answers are made of how many it has given, and of the request.
    pub(crate) async fn answering(answer: impl Fn(usize, &str) -> String + Send + Sync + 'static) -> Self {
        let answer = Arc::new(answer);
        Self::open(move |mut line, kept| {
            let answer = Arc::clone(&answer);
            async move {
                loop {
                    let request = http_request(&mut line).await?;
                    kept.hears(&request);
                    let words = answer(kept.answered(), &String::from_utf8_lossy(&request));
                    line.write_all(words.as_bytes()).await.ok()?;
                    line.flush().await.ok()?;
                    kept.answers();
                }
            }
        })
        .await
    }

    /// An interface engine that answers AR, AE, for another message, and with what is no ACK.
    pub(crate) async fn mllp() -> Self {
        Self::open(|mut line, kept| async move {
            loop {
                let mut message = Vec::new();
                while !message.ends_with(b"\x1c\r") {
                    message.push(line.read_u8().await.ok()?);
                }
                kept.hears(&message);
                let message = String::from_utf8_lossy(&message[1..message.len() - 2]).into_owned();
                let (id, mark) = (message.split('|').nth(9)?, mark(&message));
                let errors = format!("ERR|{mark}|{mark}^1^{mark}|{mark}^{mark}|E|{mark}||{mark}|{mark}");
                let ack = |code: &str, id: &str| {
                    format!("\x0bMSH|^~\\&|{mark}|{mark}\rMSA|{code}|{id}|{mark}\r{errors}\r\x1c\r")
                };
                let answer = match kept.answered() % 4 {
                    0 => ack("AE", id),
                    1 => ack("AR", id),
                    2 => ack("AA", &mark),
                    _ => message,
                };
                line.write_all(answer.as_bytes()).await.ok()?;
                line.flush().await.ok()?;
                kept.answers();
            }
        })
        .await
    }

    /// A mail server that refuses the login, the recipient, and the mail, in turn.
    pub(crate) async fn smtp() -> Self {
        Self::open(|mut line, kept| async move {
            say(&mut line, "220 ready").await?;
            let turn = kept.answers() % 3;
            let mut told = String::new();
            loop {
                let command = line_until(&mut line, b"\n").await?;
                kept.hears(&command);
                let command = String::from_utf8_lossy(&command).into_owned();
                told.push_str(command.trim_end());
                match command.get(..4)?.to_ascii_uppercase().as_str() {
                    "EHLO" => say(&mut line, "250-here\r\n250 AUTH PLAIN LOGIN").await?,
                    "AUTH" if turn == 0 => say(&mut line, &format!("535 {told}")).await?,
                    "AUTH" => say(&mut line, "235 welcome").await?,
                    "RCPT" if turn == 1 => say(&mut line, &format!("550 {told}")).await?,
                    "DATA" => {
                        say(&mut line, "354 go on").await?;
                        let mail = line_until(&mut line, MAIL_ENDS).await?;
                        kept.hears(&mail);
                        let words = String::from_utf8_lossy(&mail).replace(['\r', '\n'], " ");
                        say(&mut line, &format!("554 {told} {words}")).await?;
                    }
                    "QUIT" => return say(&mut line, "221 bye").await,
                    _ => say(&mut line, "250 so").await?,
                }
            }
        })
        .await
    }

    /// The mails among what a mail server was told.
    pub(crate) fn mails(&self) -> Vec<Vec<u8>> {
        self.told().into_iter().filter(|words| words.ends_with(MAIL_ENDS)).collect()
    }
}

/// Lines up to one that ends so; `None` if the other side leaves before.
async fn line_until(line: &mut Line, end: &[u8]) -> Option<Vec<u8>> {
    let mut read = Vec::new();
    while !read.ends_with(end) {
        if line.read_until(b'\n', &mut read).await.ok()? == 0 {
            return None;
        }
    }
    Some(read)
}

async fn say(line: &mut Line, words: &str) -> Option<()> {
    line.write_all(format!("{words}\r\n").as_bytes()).await.ok()?;
    line.flush().await.ok()
}

async fn http_request(line: &mut Line) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(line.read_u8().await.ok()?);
    }
    let length = |line: &str| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned);
    let length = String::from_utf8_lossy(&head).lines().find_map(length);
    let mut body = vec![0; length.map_or(Some(0), |length| length.parse().ok())?];
    line.read_exact(&mut body).await.ok()?;
    head.extend(body);
    Some(head)
}

/// An answer that says these words wherever an outcome, or an issuer's refusal, has room for them, and the mark
/// wherever there is room for one word only.
pub(super) fn refusal(status: u16, mark: &str, words: &str) -> String {
    let issue = json!({"severity": "error", "code": mark, "expression": [mark], "location": [mark],
        "diagnostics": words, "details": {"text": words, "coding": [{"system": mark, "code": mark}]}});
    let body = json!({"resourceType": "OperationOutcome", "id": mark, "issue": [issue],
        "error": mark, "error_description": words, "access_token": mark, "token_type": mark});
    http_answer(status, mark, &["Retry-After", "Date"], &body.to_string())
}

/// An answer with a mark in each header that may hold words, and in these.
pub(super) fn http_answer(status: u16, mark: &str, also: &[&str], body: &str) -> String {
    let headers = ["Location", "WWW-Authenticate", "Set-Cookie", "ETag", "X-Words", mark];
    let headers: String = headers.iter().chain(also).map(|name| format!("{name}: {mark}\r\n")).collect();
    let length = body.len();
    format!(
        "HTTP/1.1 {status} {mark}\r\nContent-Type: application/fhir+json\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )
}

/// The first mark in what was told; an identifier may be no header, and one may hold the first half of a mark.
fn mark(told: &str) -> String {
    let mut words = told.match_indices(MARK).filter_map(|(at, _)| told.get(at..at + MARK.len() + 20));
    let is_mark = |word: &&str| word.bytes().skip(MARK.len()).all(|byte| byte.is_ascii_hexdigit());
    words.find(is_mark).unwrap_or("nothing").to_owned()
}
