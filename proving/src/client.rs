//! A patient's app: sends, and keeps its own log of what it sent and was told.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::token::Minter;

/// One submission as it was sent, and what came back.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The id inside the bytes.
    pub id: Uuid,
    /// SHA-256 of exactly these bytes.
    pub sha256: [u8; 32],
    /// The bytes.
    pub bytes: Arc<[u8]>,
    /// The status, or `None` when no answer came: the outcome is unknown then.
    pub status: Option<u16>,
}

/// What the API answered.
#[derive(Clone, Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Header values by lower-case name.
    pub headers: Vec<(String, String)>,
    /// The body as it came.
    pub body: String,
}

impl Reply {
    /// The body as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.body).with_context(|| format!("not JSON: {}", self.body))
    }

    /// The first header of that name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// An HTTP client with its log; clones share both.
#[derive(Clone, Debug)]
pub struct Client {
    base: String,
    http: reqwest::Client,
    minter: Minter,
    log: Arc<Mutex<Vec<Sent>>>,
}

impl Client {
    /// For an API at `base` (`http://host:port`); no request takes longer than 10 s.
    pub fn new(base: &str, minter: Minter) -> Result<Self> {
        let http = crate::http::client(Duration::from_secs(10))?;
        Ok(Self { base: base.trim_end_matches('/').to_owned(), http, minter, log: Arc::default() })
    }

    /// The same client and log, speaking to another address.
    pub fn at(&self, base: &str) -> Self {
        Self { base: base.trim_end_matches('/').to_owned(), ..self.clone() }
    }

    /// The same client and log, giving up on a request after that long.
    pub fn giving_up_after(&self, patience: Duration) -> Result<Self> {
        Ok(Self { http: crate::http::client(patience)?, ..self.clone() })
    }

    /// The minter of its tokens.
    pub fn minter(&self) -> &Minter {
        &self.minter
    }

    /// POSTs a submission with its patient's token and logs it.
    pub async fn submit(&self, subject: &str, submission: &Value) -> Result<Reply> {
        let text = |key: &str| submission[key].as_str().unwrap_or_default().to_owned();
        let token = self.minter.patient(subject, &text("study_id"), &text("site_id"))?;
        self.submit_bytes(&token, submission.to_string().into_bytes()).await
    }

    /// POSTs bytes as they are, and logs them under the id found inside, if there is one.
    pub async fn submit_bytes(&self, token: &str, bytes: Vec<u8>) -> Result<Reply> {
        let bytes: Arc<[u8]> = bytes.into();
        let answer = self.post("/api/v1/epro/submit", token, bytes.to_vec()).await;
        if let Some(id) = id_in(&bytes) {
            self.note(Sent {
                id,
                sha256: sha256(&bytes),
                bytes,
                status: answer.as_ref().ok().map(|reply| reply.status),
            });
        }
        answer
    }

    /// A POST of JSON that is not logged.
    pub async fn post(&self, path: &str, token: &str, body: Vec<u8>) -> Result<Reply> {
        self.post_as(path, Some(token), "application/json", body).await
    }

    /// A POST of anything, with a token or without, that is not logged.
    pub async fn post_as(&self, path: &str, token: Option<&str>, kind: &str, body: Vec<u8>) -> Result<Reply> {
        let mut request =
            self.http.post(format!("{}{path}", self.base)).header("content-type", kind).body(body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        reply(request).await
    }

    /// Asks for a report; `wait` seconds for the report itself. Not logged.
    pub async fn report(&self, token: &str, asked: &Value, wait: Option<u32>) -> Result<Reply> {
        let request = self.http.post(format!("{}/api/v1/reports", self.base)).bearer_auth(token).json(asked);
        let prefer = wait.map(|seconds| format!("wait={seconds}"));
        reply(prefer.into_iter().fold(request, |request, prefer| request.header("prefer", prefer))).await
    }

    /// A POST of a FHIR resource with more headers, not logged.
    pub async fn post_fhir(
        &self,
        path: &str,
        token: &str,
        headers: &[(&str, &str)],
        resource: &Value,
    ) -> Result<Reply> {
        let request = self.http.post(format!("{}{path}", self.base)).bearer_auth(token);
        let request = request.header("content-type", "application/fhir+json");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        reply(request.body(resource.to_string())).await
    }

    /// A GET.
    pub async fn get(&self, path: &str, token: &str) -> Result<Reply> {
        reply(self.http.get(format!("{}{path}", self.base)).bearer_auth(token)).await
    }

    /// A GET with more headers.
    pub async fn get_with(&self, path: &str, token: &str, headers: &[(&str, &str)]) -> Result<Reply> {
        let request = self.http.get(format!("{}{path}", self.base)).bearer_auth(token);
        reply(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
    }

    /// A GET without a token.
    pub async fn get_open(&self, path: &str) -> Result<Reply> {
        reply(self.http.get(format!("{}{path}", self.base))).await
    }

    /// Adds to the log what was sent another way (raw connections, a batch).
    pub fn note(&self, sent: Sent) {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).push(sent);
    }

    /// Everything sent so far.
    pub fn log(&self) -> Vec<Sent> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn reply(request: reqwest::RequestBuilder) -> Result<Reply> {
    let answer = request.send().await?;
    let status = answer.status().as_u16();
    let headers = answer
        .headers()
        .iter()
        .map(|(key, value)| (key.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    Ok(Reply { status, headers, body: answer.text().await? })
}

fn id_in(bytes: &[u8]) -> Option<Uuid> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    value["submission_id"].as_str()?.parse().ok()
}

/// SHA-256 of bytes.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

/// A valid PHQ-9 submission with a fresh id: all nine answers given, item 9 is 0, total 12.
pub fn phq9(study: &str, site: &str) -> Value {
    json!({
        "submission_id": Uuid::now_v7().to_string(),
        "study_id": study,
        "site_id": site,
        "instrument": "phq-9|1.0",
        "answered_at": "2026-11-23T20:03:11+08:00",
        "sent_at": "2026-11-23T20:03:12+08:00",
        "answers": {
            "44250-9": 2, "44255-8": 2, "44259-0": 2, "44254-1": 2, "44251-7": 1,
            "44258-2": 1, "44252-5": 2, "44253-3": 0, "44260-8": 0,
        },
    })
}
