//! Events in FHIR's words: nothing is lost, and a server of FHIR takes them.

use epro_schemas::audit::digest::Digest;
use epro_schemas::audit::event::Event;
use epro_schemas::audit::fhir::audit_event;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::{A, chain};

const SECURITY: &str = include_str!("../../../../docs/SECURITY.md");

/// Every action that the table of deeds names.
fn actions() -> Vec<&'static str> {
    let (_, trail) = SECURITY.split_once("## The audit trail").unwrap();
    let rows =
        trail.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = rows.filter_map(|row| row.trim_end_matches([' ', '|']).rsplit('|').next());
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).filter(|word| word.contains('.')).collect()
}

/// One with everything in it, and one with no more than there must be.
fn both() -> [Event; 2] {
    let mut all = chain(A, 2);
    let mut bare = all.remove(0);
    let mut full = all.remove(0);
    (full.study_id, full.pseudonym) = (Some("ONC-301".into()), Some(Uuid::from_u128(9)));
    full.trace_id = Some("4bf92f3577b34da6a3ce929d0e0e4736".into());
    full.at += time::Duration::microseconds(123_456);
    (bare.client, bare.from_network, bare.submission_id, bare.site_id) = (None, None, None, None);
    (bare.body_sha256, bare.received_at, bare.details) = (None, None, None);
    [full, bare].map(|event| Event { hash: event.hashed(), ..event })
}

/// The event that a resource tells.
fn read_back(resource: &Value) -> Event {
    let entities = resource["entity"].as_array().unwrap();
    let named = |kind: &str| {
        let system = format!("urn:epro:{kind}");
        let mut ids = entities.iter().map(|entity| &entity["what"]["identifier"]);
        let id = ids.find(|id| id["system"] == system.as_str())?;
        Some(id["value"].as_str().unwrap().to_owned())
    };
    let details = entities.last().unwrap()["detail"].as_array().unwrap();
    let detail = |kind: &str| {
        let found = details.iter().find(|detail| detail["type"] == kind)?;
        Some(found["valueString"].as_str().unwrap().to_owned())
    };
    let agents = resource["agent"].as_array().unwrap();
    let who = |agent: &Value| agent["who"]["identifier"]["value"].as_str().unwrap().to_owned();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let time = |text: &str| OffsetDateTime::parse(text, &Rfc3339).unwrap();
    let digest = |text: String| serde_json::from_value::<Digest>(json!(text)).unwrap();
    let observer = &resource["source"]["observer"];
    Event {
        writer: observer["identifier"]["value"].as_str().unwrap().parse().unwrap(),
        name: text(&observer["display"]).unwrap(),
        seq: detail("seq").unwrap().parse().unwrap(),
        at: time(resource["recorded"].as_str().unwrap()),
        action: text(&resource["subtype"][0]["code"]).unwrap(),
        outcome: text(&resource["outcomeDesc"]).unwrap(),
        actor: who(&agents[0]),
        client: agents.get(1).map(who),
        from_network: text(&agents[0]["network"]["address"]),
        submission_id: named("submission").map(|id| id.parse().unwrap()),
        pseudonym: named("pseudonym").map(|id| id.parse().unwrap()),
        site_id: named("site"),
        study_id: named("study"),
        body_sha256: detail("body_sha256").map(digest),
        received_at: detail("received_at").map(|at| time(&at)),
        details: detail("details").map(|text| serde_json::value::RawValue::from_string(text).unwrap()),
        trace_id: detail("trace_id"),
        prev_hash: digest(detail("prev_hash").unwrap()),
        hash: digest(detail("hash").unwrap()),
    }
}

/// What FHIR forbids anywhere: null, and what is empty.
fn nothing_is_empty(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.trim().is_empty(),
        Value::Array(values) => !values.is_empty() && values.iter().all(nothing_is_empty),
        Value::Object(members) => !members.is_empty() && members.values().all(nothing_is_empty),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

#[test]
fn an_audit_event_says_all_that_the_events_hash_covers() {
    for event in both() {
        let told = read_back(&audit_event(&event));
        assert_eq!((told.hash, told.hashed()), (event.hash, event.hash), "{told:?}");
    }
}

#[test]
fn every_deed_of_the_table_is_an_audit_event_as_fhir_wants_it() {
    let actions = actions();
    assert!(actions.len() > 30, "the table is read wrongly: {actions:?}");
    for action in actions {
        for (outcome, code) in [("ok", "0"), ("refused", "4"), ("failed", "4")] {
            for event in both() {
                let event = Event { action: action.into(), outcome: outcome.into(), ..event };
                let resource = audit_event(&event);
                assert!(nothing_is_empty(&resource), "{resource}");
                let id = resource["id"].as_str().unwrap();
                assert!(id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "{id}");
                assert_eq!(resource["resourceType"], "AuditEvent");
                assert_eq!((&resource["outcome"], &resource["outcomeDesc"]), (&json!(code), &json!(outcome)));
                let letter = resource["action"].as_str().unwrap();
                assert!(["C", "R", "U", "D", "E"].contains(&letter), "{action}: {letter}");
                assert_eq!(resource["type"]["system"], "http://dicom.nema.org/resources/ontology/DCM");
                let agents = resource["agent"].as_array().unwrap();
                assert_eq!(agents.iter().filter(|agent| agent["requestor"] == true).count(), 1, "{resource}");
                assert!(agents.iter().all(|agent| agent["requestor"].is_boolean()), "{resource}");
                let entities = resource["entity"].as_array().unwrap();
                assert!(entities.iter().all(|entity| entity["what"]["identifier"].is_object()), "{resource}");
            }
        }
    }
}

#[test]
fn whoever_looks_for_readings_of_patients_finds_them_by_fhirs_own_codes() {
    for (action, code, letter) in [
        ("submission.stored", "110110", "C"),
        ("submission.read", "110110", "R"),
        ("submission.read_identified", "110110", "R"),
        ("report.read", "110110", "R"),
        ("report.expired", "110110", "D"),
        ("dead_letter.revealed", "110110", "R"),
        ("dead_letter.discarded", "110100", "E"),
        ("export.requested", "110106", "C"),
        ("export.download", "110106", "R"),
        ("console.signed_in", "110114", "E"),
        ("pause.set", "110100", "U"),
        ("audit.exported", "110101", "R"),
        ("audit.anchored", "110100", "E"),
    ] {
        let [event, _] = both();
        let resource = audit_event(&Event { action: action.into(), ..event });
        assert_eq!(
            (&resource["type"]["code"], &resource["action"]),
            (&json!(code), &json!(letter)),
            "{action}"
        );
    }
}
