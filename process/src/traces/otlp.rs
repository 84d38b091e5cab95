//! Spans as OTLP's JSON, which every receiver of OTLP/HTTP takes: ids in hexadecimal, times and whole numbers as text.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value as Json, json};

use super::conventions::SCHEMA;
use super::span::{Finished, Value};

/// Who speaks: one process, from its start to its end.
pub(super) fn resource(process: &'static str, version: &'static str) -> Json {
    let instance = uuid::Uuid::new_v4().to_string();
    let text = |key: &str, value: &str| attribute(key, json!({ "stringValue": value }));
    json!({ "attributes": [
        text("service.name", process),
        text("service.version", version),
        text("service.instance.id", &instance),
    ]})
}

/// One request's body.
pub(super) fn request(resource: &Json, spans: &[Finished]) -> Json {
    let spans: Vec<Json> = spans.iter().map(span).collect();
    json!({ "resourceSpans": [{
        "resource": resource,
        "schemaUrl": SCHEMA,
        "scopeSpans": [{ "scope": { "name": "epro-relay" }, "schemaUrl": SCHEMA, "spans": spans }],
    }]})
}

fn span(span: &Finished) -> Json {
    let attributes: Vec<Json> =
        span.attributes.iter().map(|(key, value)| attribute(key, said(value))).collect();
    let links: Vec<Json> = span
        .links
        .iter()
        .map(|link| json!({ "traceId": trace(link.trace), "spanId": place(link.span) }))
        .collect();
    let mut json = json!({
        "traceId": trace(span.context.trace),
        "spanId": place(span.context.span),
        "flags": 1,
        "name": span.name,
        "kind": span.kind as u8,
        "startTimeUnixNano": nanoseconds(span.began),
        "endTimeUnixNano": nanoseconds(span.ended),
        "attributes": attributes,
        "links": links,
        "status": {},
    });
    if let Some(parent) = span.parent {
        json["parentSpanId"] = place(parent);
    }
    if let Some(failed) = span.failed {
        json["status"] = json!({ "code": 2, "message": failed });
    }
    json
}

fn attribute(key: &str, value: Json) -> Json {
    json!({ "key": key, "value": value })
}

fn said(value: &Value) -> Json {
    match value {
        Value::Word(word) => json!({ "stringValue": word }),
        Value::Name(name) => json!({ "stringValue": name }),
        Value::Number(number) => json!({ "intValue": number.to_string() }),
        Value::Flag(flag) => json!({ "boolValue": flag }),
    }
}

fn trace(id: u128) -> Json {
    format!("{id:032x}").into()
}

fn place(id: u64) -> Json {
    format!("{id:016x}").into()
}

fn nanoseconds(at: SystemTime) -> Json {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos()).to_string().into()
}
