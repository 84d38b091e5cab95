//! Alert rules beyond the shipped ones, and the messages that they lead to.

use epro_schemas::alert::{AlertMessage, DeliveryMessage, alert_id};
use epro_schemas::instrument::{Instrument, Severity};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::sample::{body, parse};

const DIARY: &str = r#"
id: diary
version: "1"
title: A trial's diary
licence: The sponsor's.
lists:
  events:
    system: urn:trial
    options: [{ code: fall, score: 2 }, { code: admission, score: 5 }, { code: none, score: 0 }]
items:
  - { link_id: serious-event, type: boolean }
  - { link_id: events, type: coded, list: events, several: true }
  - { link_id: weight, type: decimal, minimum: 0, maximum: 500 }
  - { link_id: steps, type: integer, minimum: 0, maximum: 99999 }
scores:
  - { id: sum, kind: sum, items: [weight, steps] }
alerts:
  - { id: serious, severity: critical, item: serious-event, is: true }
  - { id: admitted, severity: warning, item: events, any_of: [admission] }
  - { id: bad, severity: notice, item: events, at_least: 2 }
  - { id: heavy, severity: notice, item: weight, at_least: 100.5 }
  - { id: much, severity: warning, score: sum, at_least: 200 }
"#;

fn signals(answers: &Value) -> Vec<String> {
    let submission = parse(&body("diary|1", answers)).unwrap();
    let diary = Instrument::read(DIARY).unwrap();
    let resolved = diary.resolve(&submission).unwrap();
    diary.signals(&resolved).iter().map(|signal| signal.rule.to_string()).collect()
}

#[test]
fn a_rule_speaks_exactly_from_its_threshold_on() {
    assert_eq!(signals(&json!({ "weight": 100.4 })), [""; 0]);
    assert_eq!(signals(&json!({ "weight": 100.5 })), ["heavy"]);
    assert_eq!(signals(&json!({ "weight": 101, "steps": 99 })), ["heavy", "much"]);
    assert_eq!(signals(&json!({ "weight": 100, "steps": 99 })), [""; 0]);
}

#[test]
fn a_score_that_is_unknown_meets_no_rule() {
    assert_eq!(signals(&json!({ "steps": 5000 })), [""; 0]);
}

#[test]
fn a_yes_or_a_code_may_alert_and_one_of_several_choices_is_enough() {
    assert_eq!(signals(&json!({ "serious-event": true })), ["serious"]);
    assert_eq!(signals(&json!({ "serious-event": false })), [""; 0]);
    assert_eq!(signals(&json!({ "events": ["fall", "none"] })), ["bad"]);
    assert_eq!(signals(&json!({ "events": ["none", "admission"] })), ["admitted", "bad"]);
}

#[test]
fn the_same_finding_has_the_same_alert_id_and_any_other_another() {
    let (p, s) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let id = alert_id("ONC-301", p, s, "self-harm");
    assert_eq!(id, alert_id("ONC-301", p, s, "self-harm"));
    let others = [
        alert_id("ONC-302", p, s, "self-harm"),
        alert_id("ONC-301", s, s, "self-harm"),
        alert_id("ONC-301", p, p, "self-harm"),
        alert_id("ONC-301", p, s, "self"),
        alert_id("ONC-301", s, p, "self-harm"),
    ];
    assert!(others.iter().all(|other| *other != id));
}

#[test]
fn messages_are_json_with_these_keys_and_a_newer_senders_key_is_no_obstacle() {
    let alert = json!({
        "alert_id": Uuid::from_u128(1), "submission_id": Uuid::from_u128(2), "site_id": "H001",
        "study_id": "ONC-301", "rule": "self-harm", "severity": "critical",
    });
    let message: AlertMessage = serde_json::from_value(alert.clone()).unwrap();
    assert_eq!(message.severity, Severity::Critical);
    assert_eq!(serde_json::to_value(&message).unwrap(), alert);

    let mut delivery = json!({
        "submission_id": Uuid::from_u128(2), "pseudonym": Uuid::from_u128(3), "site_id": "H001", "generation": 4,
    });
    let message: DeliveryMessage = serde_json::from_value(delivery.clone()).unwrap();
    assert_eq!(serde_json::to_value(&message).unwrap(), delivery);
    delivery["newer"] = json!(1);
    assert_eq!(serde_json::from_value::<DeliveryMessage>(delivery).unwrap(), message);
}

#[test]
fn severities_are_ordered_and_read_as_they_are_written() {
    let all = [Severity::Notice, Severity::Warning, Severity::Critical];
    assert!(all.is_sorted());
    for severity in all {
        assert_eq!(severity.to_string().parse(), Ok(severity));
        assert_eq!(json!(severity), json!(severity.as_str()));
    }
    assert!("Critical".parse::<Severity>().is_err());
}
