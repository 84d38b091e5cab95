//! The registration desk of a hospital: takes transactions over HTTP, says what it is told to say, and
//! keeps a log. It tells the messages apart by their patient.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How it behaves until it is told otherwise; by default it takes everything at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Manner {
    /// This status in place of the work.
    pub(crate) status: Option<u16>,
    /// Only for this patient.
    pub(crate) only: Option<String>,
    /// Beside `status`.
    pub(crate) retry_after: Option<u32>,
    /// Between the work and its answer.
    pub(crate) delay: Duration,
    /// It never answers, and does nothing.
    pub(crate) silent: bool,
    /// So often, then the default again.
    pub(crate) times: Option<usize>,
}

/// One call.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) at: Instant,
    pub(crate) patient: String,
    /// What it was answered; `None`: nothing (yet).
    pub(crate) status: Option<u16>,
}

#[derive(Default)]
struct Inside {
    manner: Manner,
    calls: Vec<Call>,
    /// By identifier: how it stands, and how often it was written.
    kept: BTreeMap<String, (Value, usize)>,
}

/// A running desk.
pub(crate) struct Desk {
    url: String,
    inside: Arc<Mutex<Inside>>,
    _serving: JoinSet<()>,
}

impl Desk {
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/fhir", listener.local_addr().unwrap());
        let inside = Arc::new(Mutex::new(Inside::default()));
        let mut serving = JoinSet::new();
        let shared = Arc::clone(&inside);
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { url, inside, _serving: serving }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn set(&self, manner: Manner) {
        self.inside.lock().unwrap().manner = manner;
    }

    /// Every call gets this status.
    pub(crate) fn says(&self, status: u16) {
        self.set(Manner { status: Some(status), ..Manner::default() });
    }

    /// The next call gets this status, and only that.
    pub(crate) fn says_once(&self, status: u16) {
        self.set(Manner { status: Some(status), times: Some(1), ..Manner::default() });
    }

    /// It takes everything at once.
    pub(crate) fn is_well(&self) {
        self.set(Manner::default());
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.inside.lock().unwrap().calls.clone()
    }

    /// The QuestionnaireResponses that it keeps, each once, and how often each was written.
    pub(crate) fn kept(&self) -> Vec<(Value, usize)> {
        self.inside.lock().unwrap().kept.values().cloned().collect()
    }

    /// The most calls that any second saw.
    pub(crate) fn busiest_second(&self) -> usize {
        let calls = self.calls();
        let second = |from: &Call| {
            calls
                .iter()
                .filter(|call| call.at >= from.at && call.at < from.at + Duration::from_secs(1))
                .count()
        };
        calls.iter().map(second).max().unwrap_or(0)
    }
}

async fn serve(stream: TcpStream, inside: Arc<Mutex<Inside>>) {
    let mut stream = BufStream::new(stream);
    while let Some(body) = request(&mut stream).await {
        let bundle: Value = serde_json::from_slice(&body).unwrap();
        let Some(answer) = answer(&bundle, &inside).await else { std::future::pending().await };
        if stream.write_all(answer.as_bytes()).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}

async fn request(stream: &mut BufStream<TcpStream>) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).await.ok()?;
    Some(body)
}

/// The whole answer; `None`: there is none.
async fn answer(bundle: &Value, inside: &Mutex<Inside>) -> Option<String> {
    let response = &bundle["entry"][0]["resource"];
    let patient = response["subject"]["identifier"]["value"].as_str().unwrap().to_owned();
    let (number, manner) = {
        let mut inside = inside.lock().unwrap();
        inside.calls.push(Call { at: Instant::now(), patient: patient.clone(), status: None });
        let concerned = inside.manner.only.as_ref().is_none_or(|only| *only == patient);
        let manner = if concerned { inside.manner.clone() } else { Manner::default() };
        match inside.manner.times {
            Some(1) if concerned => inside.manner = Manner::default(),
            Some(times) if concerned => inside.manner.times = Some(times - 1),
            _ => {}
        }
        (inside.calls.len() - 1, manner)
    };
    if manner.silent {
        return None;
    }
    let status = manner.status.unwrap_or(200);
    let entries = bundle["entry"].as_array().unwrap().len();
    let done = if status == 200 { keep(bundle, inside) } else { "" };
    tokio::time::sleep(manner.delay).await;
    inside.lock().unwrap().calls[number].status = Some(status);
    let body = match status {
        200 => {
            let entry = vec![json!({"response": {"status": done}}); entries];
            json!({"resourceType": "Bundle", "type": "transaction-response", "entry": entry})
        }
        _ => json!({"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "processing",
            "diagnostics": format!("something about {patient}")}]}),
    };
    let (body, after) = (body.to_string(), manner.retry_after.map(|s| format!("retry-after: {s}\r\n")));
    let elsewhere = if (300..400).contains(&status) { "location: /fhir/elsewhere\r\n" } else { "" };
    Some(format!(
        "HTTP/1.1 {status} Told\r\ncontent-type: application/fhir+json\r\ncontent-length: {}\r\n{elsewhere}{}\r\n{body}",
        body.len(),
        after.unwrap_or_default()
    ))
}

/// A conditional create leaves alone what is there; a conditional update replaces it.
fn keep(bundle: &Value, inside: &Mutex<Inside>) -> &'static str {
    let entry = &bundle["entry"][0];
    let identifier = entry["resource"]["identifier"]["value"].as_str().unwrap().to_owned();
    let kept = &mut inside.lock().unwrap().kept;
    match (kept.get_mut(&identifier), entry["request"]["method"].as_str()) {
        (Some(_), Some("POST")) => "200 OK",
        (Some((resource, written)), _) => {
            (*resource, *written) = (entry["resource"].clone(), *written + 1);
            "200 OK"
        }
        (None, _) => {
            kept.insert(identifier, (entry["resource"].clone(), 1));
            "201 Created"
        }
    }
}
