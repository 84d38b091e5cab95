//! Bulk exports, from the request at the door to the files behind it.

mod asking;
mod crashes;
mod early;
mod fetching;
mod formats;
mod identifiers;
mod late_key;
mod lifetimes;
mod long;
mod s3;
mod storage;

use epro_proving::client::Reply;
use epro_proving::database::Link;
use epro_proving::{Client, Service, Stack, until};
use serde_json::{Value, json};

use crate::support::{BOUND, STUDY, counts};

/// What nobody has to call anybody for.
const SITE: &str = "H004";
const QUEUE: &str = "epro.exports";
const OPEN: &str = "SELECT count(*) FROM ops.export WHERE state IN ('queued', 'running', 'cancelling')";

/// A stack with small files, and with that laid over its configuration.
async fn stack(change: Value) -> Stack {
    let mut config = json!({
        "time_scale": 0.05,
        "worker": {"lanes": ["submissions", "commands", "exports"]},
        "exports": {"file_mib": 1},
    });
    for (key, value) in change.as_object().into_iter().flatten() {
        config[key.as_str()] = value.clone();
    }
    crate::support::with(config).await
}

/// Somebody who may export that site.
pub(crate) struct Analyst {
    client: Client,
    _api: Option<Service>,
    api: String,
    token: String,
}

impl Analyst {
    async fn of(stack: &Stack, scope: &str) -> Self {
        let api = stack.api().await.unwrap();
        let there = Self::at(stack, &api, scope);
        Self { _api: Some(api), ..there }
    }

    /// The same at a door that is there already.
    pub(crate) fn at(stack: &Stack, door: &Service, scope: &str) -> Self {
        let client = stack.client(door).unwrap();
        let claims = json!({"sub": "ana", "scope": scope, "study": [STUDY, "PSY-12"], "site": [SITE]});
        let token = stack.minter().token(&claims).unwrap();
        Self { client, api: door.url(), _api: None, token }
    }

    /// Asks for an export of the whole year with that laid over it.
    async fn asks(&self, change: Value) -> Reply {
        let mut body = json!({
            "site_id": SITE, "from": "2026-01-01T00:00:00Z", "to": "2027-01-01T00:00:00Z", "format": "csv",
        });
        for (key, value) in change.as_object().into_iter().flatten() {
            body[key.as_str()] = value.clone();
        }
        self.client.post("/api/v1/exports", &self.token, body.to_string().into_bytes()).await.unwrap()
    }

    /// Where an export's status is, once it is asked for.
    pub(crate) async fn export(&self, change: Value) -> String {
        let reply = self.asks(change).await;
        assert_eq!(reply.status, 202, "{}", reply.body);
        reply.header("location").unwrap().to_owned()
    }

    /// The status, once it is in that state.
    pub(crate) async fn is(&self, place: &str, state: &str) -> Value {
        let what = format!("{place} to be {state}");
        let found = until(&what, BOUND, || async {
            let reply = self.client.get(place, &self.token).await?;
            if reply.status == 404 {
                return Ok(None);
            }
            let status = reply.json()?;
            Ok((status["state"] == state).then_some(status))
        });
        match found.await {
            Ok(status) => status,
            Err(error) => panic!("{error:#}: {:?}", self.client.get(place, &self.token).await),
        }
    }

    /// Any request with headers: status, headers, body.
    async fn call(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Got {
        let http = epro_proving::http::client(BOUND).unwrap();
        let method = method.parse::<reqwest::Method>().unwrap();
        let mut request = http.request(method, format!("{}{path}", self.api)).bearer_auth(&self.token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        let header = |name: &str| {
            let value = answer.headers().get(name);
            value.map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
        };
        Got {
            status: answer.status().as_u16(),
            etag: header("etag"),
            range: header("content-range"),
            kind: header("content-type"),
            body: answer.bytes().await.unwrap().to_vec(),
        }
    }

    /// The files of an export that is done, but for its manifest.
    async fn files(&self, status: &Value) -> Vec<(String, Vec<u8>)> {
        let mut files = self.all_files(status).await;
        assert_eq!(files.remove(0).0, "manifest.json");
        files
    }

    /// All of them, the manifest first; each is what the status says of it.
    pub(crate) async fn all_files(&self, status: &Value) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        for file in status["files"].as_array().unwrap() {
            let got = self.call("GET", file["href"].as_str().unwrap(), &[]).await;
            assert_eq!(got.status, 200);
            assert_eq!(json!(got.body.len()), file["bytes"], "{file}");
            assert_eq!(json!(hex(&got.body)), file["sha256"], "{file}");
            files.push((file["name"].as_str().unwrap().to_owned(), got.body));
        }
        files
    }

    /// The lines of all CSV files, without their headers.
    async fn lines(&self, status: &Value) -> Vec<String> {
        let mut lines = Vec::new();
        for (name, body) in self.files(status).await {
            let text = String::from_utf8(body).unwrap();
            let mut of_file = text.split_terminator("\r\n").map(str::to_owned);
            assert!(of_file.next().unwrap().starts_with("response_id,"), "{name}");
            lines.extend(of_file);
        }
        lines
    }
}

struct Got {
    status: u16,
    etag: String,
    range: String,
    kind: String,
    body: Vec<u8>,
}

fn hex(bytes: &[u8]) -> String {
    epro_proving::client::sha256(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// So many responses are stored.
async fn made(stack: &Stack, count: usize) -> Link {
    let link = crate::support::link(stack).await;
    epro_proving::synthetic::responses(&link, STUDY, SITE, count).await.unwrap();
    link
}

/// Nothing of an export is left in the storage.
fn nothing_left(stack: &Stack) {
    let left = std::fs::read_dir(stack.folder().join("exports")).map(Iterator::count).unwrap_or(0);
    assert_eq!(left, 0);
}

async fn no_more_open(link: &Link) {
    counts(link, OPEN, 0).await;
}
