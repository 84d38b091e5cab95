//! A QuestionnaireResponse is the same submission as its native form, or told what is wrong where.

use epro_schemas::canonical::content_hash;
use epro_schemas::envelope::Named;
use epro_schemas::fhir::Response;
use epro_schemas::instrument::Instruments;
use epro_schemas::submission::Submission;
use serde_json::{Value, json};
use uuid::Uuid;

const FLAT: &str = include_str!("../fhir/phq-9-flat.json");
const NESTED: &str = include_str!("../fhir/phq-9-nested.json");

fn named() -> Named {
    Named {
        submission_id: Uuid::from_u128(7),
        study_id: "ONC-301".into(),
        site_id: "H001".into(),
        amends: None,
    }
}

type Change = Box<dyn FnOnce(&mut Value)>;

/// Problems as `place: rule`.
fn problems(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut resource: Value = serde_json::from_str(FLAT).unwrap();
    change(&mut resource);
    match Response::parse(resource.to_string().as_bytes()) {
        Ok(_) => Vec::new(),
        Err(found) => found.iter().map(ToString::to_string).collect(),
    }
}

/// Score, checks that fire, rules that alert.
fn understood(text: &str) -> (Option<f64>, Vec<String>, usize) {
    let submission = Response::parse(text.as_bytes()).unwrap().submission(&named());
    let instruments = Instruments::shipped().unwrap();
    let instrument = instruments.get(&submission.instrument).unwrap();
    let resolved = instrument.resolve(&submission).unwrap();
    let scores = instrument.score(&resolved);
    let findings = instrument.findings(&submission, &resolved, &scores);
    let checks = findings.iter().map(|finding| finding.check.to_string()).collect();
    (scores[0].value, checks, instrument.signals(&resolved).len())
}

#[test]
fn responses_in_published_shapes_have_their_known_scores() {
    assert_eq!(understood(FLAT), (Some(12.0), vec![], 0));
    // The total that it states is wrong: ours counts, and a reader is told.
    assert_eq!(understood(NESTED), (Some(10.0), vec!["stated-total".to_owned()], 1));
}

#[test]
fn a_response_and_its_native_form_have_the_same_content() {
    let native = json!({
        "submission_id": Uuid::from_u128(7), "study_id": "ONC-301", "site_id": "H001", "instrument": "phq-9|1.0",
        "answered_at": "2026-11-23T20:03:11.123+08:00",
        "answers": {"44250-9": 2, "44255-8": 2, "44259-0": 2, "44254-1": 2, "44251-7": 1, "44258-2": 1,
            "44252-5": 2, "44253-3": 0, "44260-8": 0},
    });
    let native = Submission::parse(native.to_string().as_bytes()).unwrap();
    let fhir = Response::parse(FLAT.as_bytes()).unwrap().submission(&named());
    let instruments = Instruments::shipped().unwrap();
    let instrument = instruments.get(&native.instrument).unwrap();
    let hash = |submission| content_hash("P-1", submission, &instrument.resolve(submission).unwrap());
    assert_eq!(hash(&native), hash(&fhir));
}

/// An item of each kind, one of them with several options.
const EACH_KIND: &str = r#"
id: each-kind
version: "1.0"
title: Every kind of item
licence: For tests only.
lists:
  l: { system: "http://codes.example", options: [{ code: a, score: 0 }, { code: b, score: 1 }, { code: c, score: 2 }] }
items:
  - { link_id: one, type: coded, list: l }
  - { link_id: some, type: coded, list: l, several: true }
  - { link_id: whole, type: integer, minimum: 0, maximum: 10 }
  - { link_id: number, type: decimal, minimum: 0, maximum: 10 }
  - { link_id: "yes", type: boolean }
  - { link_id: words, type: text }
  - { link_id: day, type: text }
  - { link_id: instant, type: text }
  - { link_id: hour, type: text }
  - { link_id: place, type: text }
"#;

#[test]
fn every_type_of_answer_that_an_instrument_takes_is_the_same_as_in_its_native_form() {
    let instruments = Instruments::load(&[("each-kind.yaml".into(), EACH_KIND.into())]).unwrap();
    let coding = |code: &str| json!({"valueCoding": {"code": code}});
    let item = |link_id: &str, answers: Value| json!({"linkId": link_id, "answer": answers});
    let group = |items: Value| json!({"linkId": "a-group", "item": items});
    // Groups in groups, an item below an answer, several answers of one item, a code without its system.
    let mut one = item("one", json!([coding("b")]));
    one["answer"][0]["item"] = json!([item("whole", json!([{"valueInteger": 7}]))]);
    let resource = json!({
        "resourceType": "QuestionnaireResponse", "status": "completed",
        "identifier": {"value": "0198f2a4-5b7e-7c31-9d42-6f0a1b2c3d4e"},
        "questionnaire": "http://example.org/Questionnaire/each-kind|1.0", "authored": "2026-11-23T20:03:11.123+08:00",
        "item": [
            group(json!([group(json!([one])), item("some", json!([coding("c"), coding("a")]))])),
            item("number", json!([{"valueDecimal": 2.50}])), item("yes", json!([{"valueBoolean": true}])),
            item("words", json!([{"valueString": "as before"}])), item("day", json!([{"valueDate": "2026-11-23"}])),
            item("instant", json!([{"valueDateTime": "2026-11-23T20:03:11+08:00"}])),
            item("hour", json!([{"valueTime": "20:03:11"}])), item("place", json!([{"valueUri": "urn:somewhere"}])),
        ],
    });
    let native = json!({
        "submission_id": Uuid::from_u128(7), "study_id": "ONC-301", "site_id": "H001", "instrument": "each-kind|1.0",
        "answered_at": "2026-11-23T20:03:11.123+08:00",
        "answers": {"one": "b", "some": ["a", "c"], "whole": 7, "number": 2.5, "yes": true, "words": "as before",
            "day": "2026-11-23", "instant": "2026-11-23T20:03:11+08:00", "hour": "20:03:11", "place": "urn:somewhere"},
    });
    let native = Submission::parse(native.to_string().as_bytes()).unwrap();
    let fhir = Response::parse(resource.to_string().as_bytes()).unwrap().submission(&named());
    let instrument = instruments.get(&native.instrument).unwrap();
    assert_eq!(instrument.resolve(&fhir).unwrap().items.len(), 10);
    let hash = |submission| content_hash("P-1", submission, &instrument.resolve(submission).unwrap());
    assert_eq!(hash(&native), hash(&fhir));
}

#[test]
fn an_identifier_is_a_uuid_bare_or_as_a_urn_or_else_no_uuid() {
    let uuid = |value: &str| {
        let mut resource: Value = serde_json::from_str(FLAT).unwrap();
        resource["identifier"]["value"] = value.into();
        Response::parse(resource.to_string().as_bytes()).unwrap().identifier.uuid()
    };
    let id = "0198f2a4-5b7e-7c31-9d42-6f0a1b2c3d4e";
    assert_eq!(uuid(id), id.parse().ok());
    assert_eq!(uuid(&format!("urn:uuid:{id}")), id.parse().ok());
    assert_eq!(uuid("00000000-0000-0000-0000-000000000000"), None);
    assert_eq!(uuid("2026-11-23/17"), None);
}

#[test]
fn every_problem_is_told_by_fhirpath_and_rule() {
    const QR: &str = "QuestionnaireResponse";
    let cases: Vec<(Change, String)> = vec![
        (
            Box::new(|it| it["resourceType"] = "Patient".into()),
            "the body: must be a QuestionnaireResponse".into(),
        ),
        (Box::new(|it| it["status"] = "final".into()), format!("{QR}.status: must be completed or amended")),
        (
            Box::new(|it| it["status"] = "in-progress".into()),
            format!("{QR}.status: must be completed or amended: what isn't finished is not taken here"),
        ),
        (
            Box::new(|it| it["status"] = "entered-in-error".into()),
            format!("{QR}.status: must be completed or amended: to withdraw answers, amend them"),
        ),
        (
            Box::new(|it| drop(it.as_object_mut().unwrap().remove("identifier"))),
            format!("{QR}.identifier: is required"),
        ),
        (
            Box::new(|it| it["modifierExtension"] = json!([])),
            format!("{QR}.modifierExtension: is not understood here"),
        ),
        (Box::new(|it| it["itme"] = json!([])), format!("{QR}: element 6 is not one of this type")),
        (Box::new(|it| it["item"] = json!([])), format!("{QR}.item: must be a list of at least one")),
        (
            Box::new(|it| it["item"][2]["answer"] = 7.into()),
            format!("{QR}.item[2].answer: must be a list of at least one"),
        ),
        (
            Box::new(|it| it["item"][2]["answer"][0] = json!({"valueQuantity": {"value": 2}})),
            format!("{QR}.item[2].answer[0].value: is of a type that no instrument takes"),
        ),
        (
            Box::new(|it| it["item"][2]["answer"][0] = json!({"valueCoding": {"display": "Several days"}})),
            format!("{QR}.item[2].answer[0].value.code: is required"),
        ),
        (
            Box::new(|it| it["item"][2]["answer"][0] = json!({"valueInteger": 1.5})),
            format!("{QR}.item[2].answer[0].value: must be a whole number"),
        ),
        (
            Box::new(|it| it["item"][2]["item"] = json!([{"linkId": "1"}])),
            format!("{QR}.item[2]: must not have both answer and item"),
        ),
        (
            Box::new(|it| it["item"][2]["answer"][0]["valueInteger"] = 1.into()),
            format!("{QR}.item[2].answer[0]: must have exactly one value"),
        ),
        (
            Box::new(|it| it["subject"] = json!({"reference": "Group/1"})),
            format!(
                "{QR}.subject.reference: must be a reference to the right type of resource, like Patient/123"
            ),
        ),
    ];
    for (change, expected) in cases {
        let found = problems(change);
        assert!(found.contains(&expected), "{expected}: {found:?}");
    }
    for authored in ["2026-11-23", "2026-11-23T20:03:11", "yesterday"] {
        assert_eq!(problems(|it| it["authored"] = authored.into()).len(), 1, "{authored}");
    }
    for questionnaire in ["phq-9", "http://example.org/Questionnaire/phq-9", "http://example.org/|1.0"] {
        assert_eq!(problems(|it| it["questionnaire"] = questionnaire.into()).len(), 1, "{questionnaire}");
    }
}

#[test]
fn an_amended_response_names_its_base_and_why_and_a_completed_one_neither() {
    let base = json!({"url": "urn:epro-relay:amends", "valueIdentifier": {"value": "0198f2a4-5b7e-7c31-9d42-6f0a1b2c3d4e"}});
    let referred = json!({"url": "urn:epro-relay:amends",
        "valueReference": {"reference": "QuestionnaireResponse/0198f2a4-5b7e-7c31-9d42-6f0a1b2c3d4e"}});
    let reason = json!({"url": "urn:epro-relay:reason", "valueString": "wrong button"});
    let other = json!({"url": "https://elsewhere.example/x", "valueDecimal": 1});
    let tried = |status: &str, extension: Vec<&Value>| {
        problems(|it| {
            it["status"] = status.into();
            it["extension"] = json!(extension);
        })
        .len()
    };
    assert_eq!(tried("amended", vec![&base, &reason, &other]), 0);
    assert_eq!(tried("amended", vec![&referred, &reason]), 0);
    assert_eq!(tried("amended", vec![&other]), 1);
    assert_eq!(tried("amended", vec![&base]), 1);
    assert_eq!(tried("completed", vec![&base, &reason]), 1);
    assert_eq!(tried("amended", vec![&base, &base, &reason]), 1);
}

#[test]
fn keys_that_come_twice_and_nesting_without_end_are_refused() {
    let twice =
        FLAT.replacen("\"status\": \"completed\"", "\"status\": \"completed\", \"status\": \"completed\"", 1);
    assert!(Response::parse(twice.as_bytes()).is_err());
    let twice =
        FLAT.replacen("\"linkId\": \"44250-9\"", "\"linkId\": \"44250-9\", \"linkId\": \"44250-9\"", 1);
    let found = Response::parse(twice.as_bytes()).unwrap_err();
    assert_eq!(found[0].to_string(), "QuestionnaireResponse.item[0].linkId: is given twice");
    let deep = format!("{}1{}", "{\"item\":[".repeat(40), "]}".repeat(40));
    assert!(Response::parse(deep.as_bytes()).is_err());
}

#[test]
fn a_problem_of_the_instrument_is_told_at_the_item_that_was_sent() {
    let mut resource: Value = serde_json::from_str(NESTED).unwrap();
    resource["item"][0]["item"][3]["answer"][0]["valueCoding"]["code"] = "LA0-0".into();
    resource["item"][0]["item"][4]["linkId"] = "/44249-1/nothing".into();
    let response = Response::parse(resource.to_string().as_bytes()).unwrap();
    let submission = response.submission(&named());
    let instruments = Instruments::shipped().unwrap();
    let found = instruments.get(&submission.instrument).unwrap().resolve(&submission).unwrap_err();
    let found: Vec<String> = found.into_iter().map(|it| response.locate(it).to_string()).collect();
    assert_eq!(
        found,
        [
            "QuestionnaireResponse.item[0].item[3]: is outside its list",
            "QuestionnaireResponse.item[0].item[4]: is not an item of the instrument",
        ]
    );
}
