//! What an answer means is for its instrument to say.

use epro_schemas::instrument::{Instrument, Value};
use epro_schemas::submission::{Answer, Answers, Submission};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::sample::{CODES, PHQ_9, body, instrument, parse, phq_9, refusal, understood};

const SITE_OWN: &str = r#"
id: clinic
version: "2"
title: A clinic's own
licence: The clinic's.
lists:
  symptoms:
    system: urn:clinic
    options: [{ code: cough }, { code: fever }, { code: none }]
  doubtful:
    system: urn:clinic
    options: [{ code: a, score: 1 }, { code: b, score: 1 }, { code: c, score: 2 }]
items:
  - { link_id: symptoms, type: coded, list: symptoms, several: true }
  - { link_id: doubtful, type: coded, list: doubtful }
  - { link_id: temperature, type: decimal, minimum: 30, maximum: 45 }
  - { link_id: serious, type: boolean }
  - { link_id: words, type: text }
  - { link_id: must, type: integer, minimum: 0, maximum: 9, required: true }
"#;

fn own(answers: &Json) -> Result<Vec<(String, Value)>, Vec<String>> {
    let submission = parse(&body("clinic|2", answers)).unwrap();
    match Instrument::read(SITE_OWN).unwrap().resolve(&submission) {
        Ok(resolved) => Ok(resolved.items.into_iter().map(|i| (i.link_id.to_string(), i.value)).collect()),
        Err(found) => Err(found.iter().map(ToString::to_string).collect()),
    }
}

fn value(item: &str, answer: Json) -> Result<Value, String> {
    let mut answers = json!({"must": 1});
    answers[item] = answer;
    match own(&answers) {
        Ok(values) => Ok(values.into_iter().find(|(id, _)| id == item).unwrap().1),
        Err(found) => Err(found.join("; ")),
    }
}

#[test]
fn an_option_may_be_named_by_code_by_system_and_code_or_by_its_number() {
    for (level, code) in CODES.iter().enumerate() {
        for answer in [
            json!(code),
            json!({ "code": code }),
            json!({ "system": "http://loinc.org", "code": code }),
            json!({ "system": null, "code": code }),
            json!(level),
            json!(level as f64),
            json!(level.to_string()),
        ] {
            let (_, resolved) = understood(&body("phq-9|1.0", &json!({ PHQ_9[0]: answer })));
            let expected = Value::Coded { code: (*code).into(), score: Some(level as f64) };
            assert_eq!(resolved.get(PHQ_9[0]), Some(&expected), "{answer}");
        }
    }
}

#[test]
fn nothing_is_ever_understood_by_its_display_text() {
    for wrong in [
        json!("Not at all"),
        json!("Several days"),
        json!({ "code": "Several days" }),
        json!({ "system": "http://loinc.org", "code": "Several days" }),
        json!("la6569-3"),
        json!(" LA6569-3"),
        json!("1.0"),
        json!("01"),
        json!("+1"),
        json!("1 or more"),
        json!(""),
        json!(4),
        json!(-1),
        json!(0.5),
        json!(true),
        json!("LA6572-7"),
        json!({ "system": "http://snomed.info/sct", "code": "LA6569-3" }),
        json!(["LA6569-3"]),
    ] {
        let found = refusal(&body("phq-9|1.0", &json!({ PHQ_9[8]: wrong })));
        assert!(matches!(&found[..], [one] if one.starts_with("/answers/44260-8: ")), "{wrong}: {found:?}");
    }
    let display = json!({ "code": "LA6569-3", "display": "Several days" });
    assert_eq!(
        refusal(&body("phq-9|1.0", &json!({ PHQ_9[8]: display }))),
        ["/answers/#1/#2: is not a field of a coding"]
    );
}

#[test]
fn every_answer_that_does_not_fit_is_reported_and_unknown_items_by_their_place() {
    let mut wrong = phq_9([0; 9]);
    wrong["answers"] =
        json!({ "44250-9": 9, "0-unknown": 1, "44260-8": "LA9999-9", "zz-unknown": "Planted" });
    wrong["stated"] = json!({ "total": 1, "unknown": 2 });
    assert_eq!(
        refusal(&wrong),
        [
            "/answers/#1: is not an item of the instrument",
            "/answers/44250-9: is outside its list",
            "/answers/44260-8: is outside its list",
            "/answers/#4: is not an item of the instrument",
            "/stated/#2: is not a score of the instrument",
        ]
    );
}

#[test]
fn values_come_in_the_instruments_order() {
    let (_, resolved) = understood(&phq_9([0; 9]));
    let order: Vec<&str> = resolved.items.iter().map(|item| item.link_id.as_str()).collect();
    assert_eq!(order, PHQ_9);
}

proptest! {
    #[test]
    fn it_does_not_matter_in_which_order_answers_come_nor_which_are_left_out(
        order in Just((0..9).collect::<Vec<usize>>()).prop_shuffle(),
        levels in proptest::array::uniform9(proptest::option::of(0..4_usize)),
    ) {
        let plain = parse(&phq_9([0; 9])).unwrap();
        let answer = |n: usize| Some((PHQ_9[n].to_owned(), Answer::Integer(levels[n]? as i64)));
        let answers: Answers = order.into_iter().filter_map(answer).collect();
        let submission = Submission { answers, ..plain };
        let resolved = instrument(&submission).resolve(&submission).unwrap();
        let found = resolved.items.iter().map(|item| (item.link_id.as_str(), item.value.clone()));
        let level = |n: usize| {
            let (code, score) = (CODES[levels[n]?].into(), Some(levels[n]? as f64));
            Some((PHQ_9[n], Value::Coded { code, score }))
        };
        let expected: Vec<_> = (0..9).filter_map(level).collect();
        prop_assert_eq!(found.collect::<Vec<_>>(), expected);
        let sum = levels.iter().copied().sum::<Option<usize>>();
        prop_assert_eq!(instrument(&submission).score(&resolved)[0].value, sum.map(|sum| sum as f64));
    }
}

#[test]
fn numbers_texts_and_yes_or_no_keep_to_their_items() {
    assert_eq!(value("temperature", json!(37)), Ok(Value::Decimal(37.0)));
    assert_eq!(value("temperature", json!(37.5)), Ok(Value::Decimal(37.5)));
    assert!(value("temperature", json!(29.9)).is_err());
    assert!(value("temperature", json!(45.1)).is_err());
    assert!(value("temperature", json!("37")).is_err());
    assert_eq!(value("serious", json!(true)), Ok(Value::Boolean(true)));
    assert!(value("serious", json!(1)).is_err());
    assert!(value("serious", json!("true")).is_err());
    assert_eq!(value("words", json!("well")), Ok(Value::Text("well".to_owned().into())));
    assert!(value("words", json!(1)).is_err());
    assert!(value("words", json!(["well"])).is_err());
    assert!(value("must", json!(1.5)).is_err());
    assert_eq!(value("must", json!(2.0)), Ok(Value::Integer(2)));
}

#[test]
fn several_options_come_in_the_lists_order_and_none_twice() {
    let many = |codes: &[&str]| {
        Value::Many(codes.iter().map(|code| Value::Coded { code: (*code).into(), score: None }).collect())
    };
    assert_eq!(value("symptoms", json!(["fever", {"code": "cough"}])), Ok(many(&["cough", "fever"])));
    assert_eq!(value("symptoms", json!("fever")), Ok(many(&["fever"])));
    assert!(value("symptoms", json!(["fever", "fever"])).unwrap_err().contains("twice"));
    assert!(value("symptoms", json!(["fever", "rash"])).is_err());
}

#[test]
fn a_number_that_stands_for_two_options_stands_for_none() {
    assert!(value("doubtful", json!(1)).is_err());
    assert!(value("doubtful", json!(2)).is_ok());
    assert!(value("doubtful", json!("b")).is_ok());
}

#[test]
fn a_required_item_must_be_answered_and_is_reported_once() {
    assert_eq!(own(&json!({ "words": "x" })), Err(vec!["/answers/must: is required".to_owned()]));
    assert_eq!(own(&json!({ "must": null })), Err(vec!["/answers/must: is required".to_owned()]));
    assert_eq!(own(&json!({ "must": "x" })), Err(vec!["/answers/must: must be a whole number".to_owned()]));
}

#[test]
fn an_item_that_another_door_hands_in_twice_is_refused() {
    let submission = parse(&phq_9([0; 9])).unwrap();
    let twice = [0, 3].map(|level| (PHQ_9[8].to_owned(), Answer::Integer(level)));
    let submission = Submission { answers: twice.into_iter().collect::<Answers>(), ..submission };
    let found = instrument(&submission).resolve(&submission).unwrap_err();
    assert_eq!(found[0].to_string(), "/answers/44260-8: is given twice");
}

#[test]
fn neither_a_submission_nor_its_values_print_what_the_patient_said() {
    let answers = PHQ_9.map(|item| (item.to_owned(), json!(CODES[3])));
    let mut planted = body("phq-9|1.0", &Json::Object(answers.into_iter().collect()));
    planted["subject_id"] = json!("Planted-Subject");
    planted["study_id"] = json!("Planted-Study");
    let (submission, resolved) = understood(&planted);
    let printed = format!("{submission:?} {submission:#?} {:?} {resolved:?}", submission.answers);
    assert!(!printed.contains("Planted") && !printed.contains("LA65"), "{printed}");
    assert_eq!(printed.matches("value: [phi]").count(), 9, "{printed}");
}
