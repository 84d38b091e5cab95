//! A receiver of spans: takes OTLP over HTTP in JSON, refuses what the protocol doesn't allow, keeps the rest.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, bail};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;

use crate::foreign::{Door, Mannered, http_door};
use crate::until;

/// Everything that came, as it was understood.
#[derive(Clone, Debug, Default)]
struct Kept {
    spans: Arc<Mutex<Vec<Span>>>,
    bodies: Arc<Mutex<String>>,
    refused: Arc<Mutex<Vec<String>>>,
}

/// One span.
#[derive(Clone, Debug)]
pub struct Span {
    /// The process that it is of.
    pub service: String,
    /// Its name.
    pub name: String,
    /// 32 hexadecimal digits.
    pub trace: String,
    /// 16 of them.
    pub id: String,
    /// Of its parent; empty without one.
    pub parent: String,
    /// 2 server, 3 client, 4 producer, 5 consumer.
    pub kind: u64,
    /// (trace, span) of each link.
    pub links: Vec<(String, String)>,
    /// Name and value.
    pub attributes: Vec<(String, String)>,
}

impl Span {
    /// The value of an attribute.
    pub fn said(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A running receiver.
#[derive(Debug)]
pub struct TraceReceiver {
    kept: Kept,
    scheme: &'static str,
    door: Door,
}

impl TraceReceiver {
    /// On a free loopback port.
    pub async fn start() -> Result<Self> {
        Self::open(None).await
    }

    /// The same over TLS, at 127.0.0.1.
    pub async fn secured(tls: TlsAcceptor) -> Result<Self> {
        Self::open(Some(tls)).await
    }

    async fn open(tls: Option<TlsAcceptor>) -> Result<Self> {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let kept = Kept::default();
        let router = Router::new().route("/v1/traces", post(take)).with_state(kept.clone());
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let door = http_door::open(free, tls, &Mannered::default(), router).await?;
        Ok(Self { kept, scheme, door })
    }

    /// What `traces.endpoint` has to be.
    pub fn endpoint(&self) -> String {
        format!("{}://{}", self.scheme, self.door.address())
    }

    /// Every span so far.
    pub fn spans(&self) -> Vec<Span> {
        lock(&self.kept.spans).clone()
    }

    /// Every body so far, one behind the other.
    pub fn bodies(&self) -> String {
        lock(&self.kept.bodies).clone()
    }

    /// Waits until there are so many spans of that name, and gives them.
    pub async fn named(&self, name: &str, count: usize) -> Result<Vec<Span>> {
        let bound = std::time::Duration::from_secs(60);
        until(&format!("{count} spans {name:?}"), bound, || async {
            let refused = lock(&self.kept.refused).clone();
            if !refused.is_empty() {
                bail!("refused: {refused:?}");
            }
            let found: Vec<Span> = self.spans().into_iter().filter(|span| span.name == name).collect();
            Ok((found.len() >= count).then_some(found))
        })
        .await
    }
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn take(State(kept): State<Kept>, headers: HeaderMap, body: String) -> (StatusCode, Json<Value>) {
    let is_json = headers.get(header::CONTENT_TYPE).is_some_and(|value| value == "application/json");
    lock(&kept.bodies).push_str(&body);
    let read = serde_json::from_str(&body).map_err(|error| error.to_string()).and_then(|body| read(&body));
    match read {
        Ok(mut spans) if is_json => {
            lock(&kept.spans).append(&mut spans);
            (StatusCode::OK, Json(json!({})))
        }
        Ok(_) => refuse(&kept, "not application/json".to_owned()),
        Err(rule) => refuse(&kept, rule),
    }
}

fn refuse(kept: &Kept, rule: String) -> (StatusCode, Json<Value>) {
    lock(&kept.refused).push(rule.clone());
    (StatusCode::BAD_REQUEST, Json(json!({ "message": rule })))
}

/// As `opentelemetry/proto/trace/v1/trace.proto` has it, in its JSON mapping.
fn read(body: &Value) -> Result<Vec<Span>, String> {
    let mut spans = Vec::new();
    for resource in list(body, "resourceSpans")? {
        let attributes = attributes(&resource["resource"])?;
        let service = attributes.iter().find(|(name, _)| name == "service.name");
        let service = service.map(|(_, value)| value.clone()).ok_or("no service.name")?;
        for scope in list(resource, "scopeSpans")? {
            for span in list(scope, "spans")? {
                spans.push(span_of(span, &service)?);
            }
        }
    }
    Ok(spans)
}

fn span_of(span: &Value, service: &str) -> Result<Span, String> {
    let begun: u128 = text(span, "startTimeUnixNano")?.parse().map_err(|_| "startTimeUnixNano")?;
    let ended: u128 = text(span, "endTimeUnixNano")?.parse().map_err(|_| "endTimeUnixNano")?;
    if begun > ended || begun < 1_700_000_000_000_000_000 {
        return Err("a span ends before it begins, or began long ago".to_owned());
    }
    let parent = if span["parentSpanId"].is_null() { String::new() } else { hex(span, "parentSpanId", 16)? };
    let links =
        list(span, "links")?.iter().map(|link| Ok((hex(link, "traceId", 32)?, hex(link, "spanId", 16)?)));
    Ok(Span {
        service: service.to_owned(),
        name: text(span, "name")?,
        trace: hex(span, "traceId", 32)?,
        id: hex(span, "spanId", 16)?,
        parent,
        kind: span["kind"].as_u64().filter(|kind| (1..=5).contains(kind)).ok_or("kind")?,
        links: links.collect::<Result<_, String>>()?,
        attributes: attributes(span)?,
    })
}

fn attributes(of: &Value) -> Result<Vec<(String, String)>, String> {
    let each = list(of, "attributes")?.iter().map(|attribute| {
        let value = attribute["value"].as_object().filter(|value| value.len() == 1).ok_or("value")?;
        let said = match value.iter().next() {
            Some((kind, Value::String(value))) if kind == "stringValue" => value.clone(),
            Some((kind, Value::String(value))) if kind == "intValue" && value.parse::<i64>().is_ok() => {
                value.clone()
            }
            Some((kind, Value::Bool(value))) if kind == "boolValue" => value.to_string(),
            other => return Err(format!("not a value: {other:?}")),
        };
        Ok((text(attribute, "key")?, said))
    });
    each.collect()
}

fn list<'v>(of: &'v Value, key: &str) -> Result<&'v Vec<Value>, String> {
    of[key].as_array().ok_or_else(|| format!("{key} is no list"))
}

fn text(of: &Value, key: &str) -> Result<String, String> {
    of[key].as_str().map(str::to_owned).ok_or_else(|| format!("{key} is no text"))
}

fn hex(of: &Value, key: &str, length: usize) -> Result<String, String> {
    let text = text(of, key)?;
    let fits = text.len() == length
        && text.bytes().all(|b| b.is_ascii_hexdigit())
        && text.bytes().any(|b| b != b'0');
    if fits { Ok(text) } else { Err(format!("{key} is no id of {length} digits")) }
}
