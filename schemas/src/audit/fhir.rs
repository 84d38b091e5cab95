//! An event as a FHIR R4 AuditEvent, in the shape of IHE's Basic Audit Log Patterns: what happened as `subtype`, the
//! actor as the requesting agent, the writer as `source`, and its place in the chain as an entity.

use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

use super::event::Event;

/// Outcomes that say that what was asked for was done.
const DONE: [&str; 5] = ["ok", "done", "complete", "incomplete", "already_done"];

/// What DICOM calls what is about one patient.
const PATIENT_RECORD: (&str, &str) = ("110110", "Patient Record");

/// The resource.
#[must_use]
pub fn audit_event(event: &Event) -> Value {
    let (code, display) = kind(&event.action);
    json!({
        "resourceType": "AuditEvent",
        "id": format!("{}-{}", event.writer, event.seq),
        "type": {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": code, "display": display},
        "subtype": [{"system": "urn:epro:audit:action", "code": event.action}],
        "action": letter(&event.action),
        "recorded": event.at.format(&Rfc3339).ok(),
        "outcome": if DONE.contains(&event.outcome.as_str()) { "0" } else { "4" },
        "outcomeDesc": event.outcome,
        "agent": agents(event),
        "source": {
            "observer": {"identifier": identifier("writer", &event.writer.to_string()), "display": event.name},
        },
        "entity": entities(event),
    })
}

/// What DICOM calls it.
fn kind(action: &str) -> (&'static str, &'static str) {
    match action.split('.').next().unwrap_or_default() {
        "submission" | "report" | "delivery" => PATIENT_RECORD,
        // It shows what a patient sent.
        "dead_letter" if action.ends_with(".revealed") => PATIENT_RECORD,
        "audit" if action.ends_with(".exported") => ("110101", "Audit Log Used"),
        "export" => ("110106", "Export"),
        "request" | "console" => ("110114", "User Authentication"),
        _ => ("110100", "Application Activity"),
    }
}

/// Create, read, update, delete, execute.
fn letter(action: &str) -> &'static str {
    match action.rsplit('.').next().unwrap_or_default() {
        "stored" | "submit" | "submit_batch" | "requested" | "made" | "raised" => "C",
        "read" | "read_identified" | "revealed" | "download" | "exported" | "duplicate" => "R",
        "acknowledged" | "closed" | "withdrawn" | "renewed" | "set" | "ended" | "cancel" => "U",
        "expired" => "D",
        _ => "E",
    }
}

fn agents(event: &Event) -> Value {
    let mut actor = json!({"who": {"identifier": identifier("actor", &event.actor)}, "requestor": true});
    if let Some(network) = &event.from_network {
        // 2: an IP address; ours is a network.
        actor["network"] = json!({"address": network, "type": "2"});
    }
    let client = event.client.as_ref();
    let client =
        client.map(|client| json!({"who": {"identifier": identifier("client", client)}, "requestor": false}));
    std::iter::once(actor).chain(client).collect()
}

fn entities(event: &Event) -> Value {
    let id = |id: Option<uuid::Uuid>| id.map(|id| id.to_string());
    let named = [
        ("submission", id(event.submission_id)),
        ("pseudonym", id(event.pseudonym)),
        ("site", event.site_id.clone()),
        ("study", event.study_id.clone()),
    ];
    let named = named
        .into_iter()
        .filter_map(|(kind, value)| Some(json!({"what": {"identifier": identifier(kind, &value?)}})));
    let text =
        |kind: &str, value: Option<String>| value.map(|value| json!({"type": kind, "valueString": value}));
    let place = [
        text("seq", Some(event.seq.to_string())),
        text("prev_hash", Some(event.prev_hash.to_string())),
        text("hash", Some(event.hash.to_string())),
        text("body_sha256", event.body_sha256.map(|digest| digest.to_string())),
        text("received_at", event.received_at.and_then(|at| at.format(&Rfc3339).ok())),
        text("trace_id", event.trace_id.clone()),
        text("details", event.details.as_ref().map(|details| details.get().to_owned())),
    ];
    let place: Vec<Value> = place.into_iter().flatten().collect();
    let place = json!({
        "what": {"identifier": identifier("event", &format!("{}-{}", event.writer, event.seq))},
        "detail": place,
    });
    named.chain([place]).collect()
}

fn identifier(kind: &str, value: &str) -> Value {
    json!({"system": format!("urn:epro:{kind}"), "value": value})
}
