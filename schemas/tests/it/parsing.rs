//! Reading a body: strictly, completely, and without repeating any of it.

use epro_schemas::submission::{Answer, MAX_ANSWERS, MAX_BYTES, Submission};
use epro_schemas::violation::MOST;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::sample::{body, parse, phq_9, refusal, with};

/// The body as text, with one value replaced by text that needn't be JSON.
fn text_with(field: &str, raw: &str) -> String {
    with(phq_9([1; 9]), field, json!("@@")).to_string().replace("\"@@\"", raw)
}

fn rules(text: &[u8]) -> Vec<String> {
    Submission::parse(text).map_or_else(|found| found.iter().map(ToString::to_string).collect(), |_| vec![])
}

#[test]
fn a_full_submission_is_read_field_by_field() {
    let text = r#" {
        "submission_id": "0198F2AA-1111-7222-8333-444455556666", "study_id": "ONC-301", "site_id": "H_0.1",
        "subject_id": "P\u002d0001 \u00e9\ud83d\ude00", "instrument": "phq-9|1.0",
        "answered_at": "2026-11-23T20:03:11.5+08:00", "sent_at": "2026-11-23t12:03:12z",
        "answers": { "a": 2.0, "b": -0.5, "c": true, "d": "LA6569-3", "e": {"code": "x", "system": "s"},
                     "f": ["x", 1], "g": null, "h": "" },
        "stated": { "total": 13, "other": 1.5 },
        "amends": "0198f2aa-1111-7222-8333-444455556667", "reason": "wrong\nbutton"
    } "#;
    let read = Submission::parse(text.as_bytes()).unwrap();
    assert_eq!(read.submission_id.to_string(), "0198f2aa-1111-7222-8333-444455556666");
    assert_eq!((read.study_id.as_str(), read.site_id.as_str()), ("ONC-301", "H_0.1"));
    assert_eq!(read.subject_id.unwrap().expose(), "P-0001 é😀");
    assert_eq!((read.instrument.id(), read.instrument.version()), ("phq-9", "1.0"));
    assert_eq!(read.answered_at.to_string(), "2026-11-23 20:03:11.5 +08:00:00");
    assert_eq!(read.sent_at.unwrap().to_string(), "2026-11-23 12:03:12.0 +00:00:00");
    let text = |text: &str| Answer::Text(text.to_owned().into());
    let expected = [
        ("a", Answer::Integer(2)),
        ("b", Answer::Decimal(-0.5)),
        ("c", Answer::Boolean(true)),
        ("d", text("LA6569-3")),
        ("e", Answer::Coding { system: Some("s".to_owned().into()), code: "x".to_owned().into() }),
        ("f", Answer::Many(vec![text("x"), Answer::Integer(1)])),
        ("g", Answer::Unanswered),
        ("h", text("")),
    ];
    assert!(read.answers.iter().eq(expected.iter().map(|(id, answer)| (*id, answer))));
    assert_eq!(read.stated.into_iter().collect::<Vec<_>>(), [("other".into(), 1.5), ("total".into(), 13.0)]);
    assert_eq!(read.reason.unwrap().expose(), "wrong\nbutton");
}

#[test]
fn every_problem_is_reported_at_once() {
    let text = r#"{
        "submission_id": "00000000-0000-0000-0000-000000000000", "study_id": "", "study_id": "twice",
        "site_id": "H 1", "Planted": 1, "instrument": "phq-9", "answered_at": "2026-11-23T20:03:11",
        "sent_at": 5, "answers": { "a": [[1]], "b": [], "": 1, "c": {"system": "x", "planted": 1}, "d": "\u0000", "d": 1,
        "\ud800": 1, "e": 1e400, "f": ["x", null, "\udc00"] },
        "stated": { "total": "13", "Planted name": 1 }, "amends": "0198f2aa-1111-7222-8333-444455556667"
    }"#;
    assert_eq!(
        rules(text.as_bytes()),
        [
            "/study_id: is given twice",
            "/#5: is not a field of a submission",
            "/submission_id: must be a UUID with hyphens, and neither nil nor max",
            "/study_id: must be 1 to 64 characters of A-Z a-z 0-9 . _ -",
            "/site_id: must be 1 to 64 characters of A-Z a-z 0-9 . _ -",
            "/instrument: must name an instrument and its version, like phq-9|1.0",
            "/answered_at: must be an RFC 3339 time with its offset, like 2026-11-23T20:03:11+08:00",
            "/sent_at: must be a string",
            "/answers/#1/0: must be a code",
            "/answers/#2: must have 1 to 50 choices",
            "/answers/#3: must be under a linkId of 1 to 64 characters",
            "/answers/#4/#2: is not a field of a coding",
            "/answers/#5: must not contain \\u0000",
            "/answers/#6: is given twice",
            "/answers/#7: must not contain half of a surrogate pair",
            "/answers/#8: must lie within ±9007199254740991",
            "/answers/#9/1: must be a code",
            "/answers/#9/2: must not contain half of a surrogate pair",
            "/stated/#1: must be a number",
            "/stated/#2: must be under the id of a score",
            "/reason: is required with amends",
        ]
    );
}

#[test]
fn what_is_missing_is_reported_together() {
    assert_eq!(
        rules(b"{}"),
        ["submission_id", "study_id", "site_id", "instrument", "answered_at", "answers"]
            .map(|field| format!("/{field}: is required"))
    );
}

#[test]
fn a_body_that_is_not_json_is_refused_with_the_place() {
    for (text, rule) in [
        ("", "the body: is not JSON: the end, where a value is missing, at byte 0"),
        ("{\"a\":1,}", "the body: is not JSON: something that is no key at byte 7"),
        ("{\"a\" 1}", "the body: is not JSON: a key without a colon at byte 5"),
        ("{\"a\":01}", "the body: is not JSON: something where a comma is missing at byte 6"),
        ("{\"a\":+1}", "the body: is not JSON: something that begins no value at byte 5"),
        ("{\"a\":1.}", "the body: is not JSON: a number without its digits at byte 7"),
        ("{\"a\":NaN}", "the body: is not JSON: something that begins no value at byte 5"),
        ("{\"a\":\"\t\"}", "the body: is not JSON: a control character in a string at byte 6"),
        ("{\"a\":\"\\x\"}", "the body: is not JSON: an unknown escape in a string at byte 7"),
        ("{\"a\":\"\\u12g4\"}", "the body: is not JSON: an unknown escape in a string at byte 10"),
        ("{\"a\":\"", "the body: is not JSON: the end, where a string is open, at byte 6"),
        ("{\"a\":1", "the body: is not JSON: the end, where a bracket is open, at byte 6"),
        ("{} {}", "the body: is not JSON: something after the end at byte 3"),
        ("\u{feff}{}", "the body: is not JSON: something that begins no value at byte 0"),
        ("[]", "the body: must be a JSON object"),
        ("null", "the body: must be a JSON object"),
    ] {
        assert_eq!(rules(text.as_bytes()), [rule], "{text}");
    }
    assert_eq!(rules(b"{\"a\":\"\xff\"}"), ["the body: is not JSON: a byte that is not UTF-8 at byte 6"]);
}

#[test]
fn depth_and_length_are_bounded() {
    let deep = |n: usize| text_with("stated", &format!("{}{}", "[".repeat(n), "]".repeat(n)));
    assert_eq!(rules(deep(10).as_bytes()), ["/stated: must be an object"]);
    for n in [16, 1_000, 100_000] {
        assert!(
            rules(deep(n).as_bytes())[0].starts_with("the body: is not JSON: nesting that is too deep"),
            "{n}"
        );
    }
    let long = " ".repeat(MAX_BYTES + 1);
    assert_eq!(rules(long.as_bytes()), ["the body: must be at most 262144 bytes"]);

    let text = |n: usize| body("phq-9|1.0", &json!({ "a": "é".repeat(n) }));
    assert!(parse(&text(4_000)).is_ok());
    assert_eq!(refusal(&text(4_001)), ["/answers/#1: must be at most 4000 characters"]);

    let answers = |n: usize| (0..n).map(|n| (n.to_string(), json!(1))).collect::<serde_json::Map<_, _>>();
    assert!(parse(&body("phq-9|1.0", &Value::Object(answers(MAX_ANSWERS)))).is_ok());
    assert_eq!(
        refusal(&body("phq-9|1.0", &Value::Object(answers(MAX_ANSWERS + 1)))),
        ["/answers: must hold 1 to 500 answers"]
    );
    assert_eq!(refusal(&body("phq-9|1.0", &json!({}))), ["/answers: must hold 1 to 500 answers"]);
    let choices = |n: usize| body("phq-9|1.0", &json!({ "a": vec!["x"; n] }));
    assert!(parse(&choices(50)).is_ok() && parse(&choices(51)).is_err());
}

#[test]
fn a_hostile_body_gets_a_bounded_answer() {
    let answers: serde_json::Map<_, _> = (0..MAX_ANSWERS).map(|n| (n.to_string(), json!([[]]))).collect();
    let found = parse(&body("phq-9|1.0", &Value::Object(answers))).unwrap_err();
    assert_eq!(found.len(), MOST + 1);
    assert_eq!(found[MOST].rule, "more than 100 problems; the rest are not listed");
}

#[test]
fn keys_given_twice_are_found_among_few_and_among_many() {
    for n in [3, 24, 25, 400] {
        let answers: Vec<String> = (0..n).chain([1]).map(|n| format!("\"item-{n}\":1")).collect();
        let text = text_with("answers", &format!("{{{}}}", answers.join(",")));
        assert_eq!(rules(text.as_bytes()), [format!("/answers/#{}: is given twice", n + 1)]);
    }
}

#[test]
fn a_uuid_has_its_hyphens_and_is_neither_nil_nor_max() {
    for (good, id) in [
        (true, "0198f2aa-1111-7222-8333-444455556666"),
        (true, "0198F2AA-1111-7222-8333-444455556666"),
        (false, "0198f2aa111172228333444455556666"),
        (false, "{0198f2aa-1111-7222-8333-444455556666}"),
        (false, "urn:uuid:0198f2aa-1111-7222-8333-444455556666"),
        (false, " 0198f2aa-1111-7222-8333-44445555666"),
        (false, "0198f2aa-1111-7222-8333-44445555666g"),
        (false, "0198f2aa-11117222-8333-4444-55556666"),
        (false, "00000000-0000-0000-0000-000000000000"),
        (false, "ffffffff-ffff-ffff-ffff-ffffffffffff"),
        (false, ""),
    ] {
        assert_eq!(parse(&with(phq_9([0; 9]), "submission_id", json!(id))).is_ok(), good, "{id}");
    }
}

#[test]
fn a_time_has_its_offset_and_no_more_digits_than_are_kept() {
    for (good, time) in [
        (true, "2026-11-23T20:03:11+08:00"),
        (true, "2026-11-23T20:03:11Z"),
        (true, "2026-11-23T20:03:11.123456789-09:30"),
        (true, "2024-02-29T00:00:00+14:00"),
        (false, "2026-11-23T20:03:11"),
        (false, "2026-11-23T20:03:11.1234567891+08:00"),
        (false, "2026-11-23T20:03:11.+08:00"),
        (false, "2026-11-23 20:03:11+08:00"),
        (false, "2026-11-23T20:03:11+0800"),
        (false, "2026-11-23T20:03:11+08"),
        (false, "2026-11-23T20:03+08:00"),
        (false, "2026-11-23"),
        (false, "2026-02-29T20:03:11Z"),
        (false, "2026-11-23T24:00:00Z"),
        (false, "2026-12-31T23:59:60Z"),
        (false, "2026-11-23T20:03:11-00:00"),
        (false, "2026-11-23T20:03:11+14:01"),
        (false, "2026-11-23T20:03:11+23:59"),
        (false, "1899-12-31T23:59:59Z"),
        (false, "2200-01-01T00:00:00Z"),
        (false, "0000-01-01T00:00:00+14:00"),
        (false, "9999-12-31T23:59:59-14:00"),
        (false, "2026-11-23T20:03:1é+08:00"),
        (false, "1795464191"),
    ] {
        for field in ["answered_at", "sent_at"] {
            assert_eq!(parse(&with(phq_9([0; 9]), field, json!(time))).is_ok(), good, "{time}");
        }
    }
}

#[test]
fn names_subjects_and_reasons_keep_to_their_form() {
    let good = |field: &str, value: &str| parse(&with(phq_9([0; 9]), field, json!(value))).is_ok();
    let x = |n: usize| "x".repeat(n);
    for field in ["study_id", "site_id"] {
        assert!(good(field, "A-z.0_9") && good(field, &x(64)));
        for bad in ["", "a b", "é", "a/b", "a|b", "a\n", &x(65)] {
            assert!(!good(field, bad), "{field} {bad}");
        }
    }
    assert!(good("subject_id", "Ann é 1") && good("subject_id", &"é".repeat(128)));
    for bad in ["", " a", "a\u{a0}", "a\u{7f}b", "a\nb", &x(129)] {
        assert!(!good("subject_id", bad), "{bad:?}");
    }
    for bad in ["phq-9", "phq-9|", "|1.0", "phq-9|1|0", "phq 9|1.0", &format!("{}|1", x(65))] {
        assert!(!good("instrument", bad), "{bad}");
    }
    let reason = |text: &str| {
        let amending = with(phq_9([0; 9]), "amends", json!("0198f2aa-1111-7222-8333-444455556667"));
        parse(&with(amending, "reason", json!(text))).is_ok()
    };
    assert!(reason("typo") && reason(&"é".repeat(2_000)));
    assert!(!reason(&x(2_001)) && !reason("") && !reason(" \n"));
}

#[test]
fn an_amendment_has_a_reason_and_another_submission_to_amend() {
    let own = "0198f2aa-1111-7222-8333-444455556666";
    let amending = |id: &str| with(with(phq_9([0; 9]), "amends", json!(id)), "reason", json!("typo"));
    assert!(parse(&amending("0198f2aa-1111-7222-8333-444455556667")).is_ok());
    assert_eq!(refusal(&amending(own)), ["/amends: must name another submission"]);
    assert_eq!(refusal(&with(phq_9([0; 9]), "reason", json!("typo"))), ["/reason: goes with amends only"]);
}

/// Any JSON, with a marker in every string and key.
fn planted_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        Just(json!(918_273_645)),
        Just(json!(0.918_273_645)),
        "[a-z\\\\\"\u{e9}\u{0}]{0,6}".prop_map(|text| json!(format!("Planted{text}"))),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec(("[a-z]{0,3}", inner), 0..6).prop_map(|entries| {
                entries.into_iter().map(|(key, value)| (format!("Planted{key}"), value)).collect()
            }),
        ]
    })
}

fn says_nothing_planted(text: &[u8]) -> Result<(), TestCaseError> {
    if let Err(found) = Submission::parse(text) {
        prop_assert!(!found.is_empty());
        let said = serde_json::to_string(&found).unwrap() + &format!("{found:?}");
        for marker in ["lanted", "918273645", "ONC", "H001", "44250", "2026-11-23T20:03:11.5"] {
            prop_assert!(!said.contains(marker), "{said}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn no_bytes_make_parsing_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Submission::parse(&bytes).is_err());
        let _ = epro_schemas::submission::split(&bytes, 3);
    }

    #[test]
    fn no_json_in_any_field_makes_parsing_panic_or_is_repeated(
        field in prop_oneof![
            Just("submission_id"), Just("study_id"), Just("site_id"), Just("subject_id"), Just("instrument"),
            Just("answered_at"), Just("sent_at"), Just("answers"), Just("stated"), Just("amends"), Just("reason"),
            Just("Planted"),
        ],
        value in planted_json(),
    ) {
        says_nothing_planted(with(phq_9([1; 9]), field, value).to_string().as_bytes())?;
    }

    #[test]
    fn no_answers_make_resolving_panic_or_are_repeated(
        items in proptest::collection::vec(("(44250-9|69722-7|[a-z]{0,4})", planted_json()), 1..6),
    ) {
        let answers: serde_json::Map<_, _> = items.into_iter().collect();
        let body = body("phq-9|1.0", &Value::Object(answers));
        let Ok(submission) = parse(&body) else { return says_nothing_planted(body.to_string().as_bytes()) };
        if let Err(found) = crate::sample::instrument(&submission).resolve(&submission) {
            let said = format!("{found:?}");
            prop_assert!(!said.contains("lanted") && !said.contains("918273645"), "{said}");
        }
    }

    #[test]
    fn no_damage_to_a_good_body_makes_parsing_panic_or_repeat_it(
        at: prop::sample::Index,
        length in 0..8_usize,
        new in proptest::collection::vec(any::<u8>(), 0..4),
    ) {
        let mut text = with(phq_9([1; 9]), "subject_id", json!("Planted")).to_string().into_bytes();
        let start = at.index(text.len());
        let end = (start + length).min(text.len());
        text.splice(start..end, new);
        says_nothing_planted(&text)?;
    }
}
