//! Held against the strict reader, to which every body goes that isn't plain.

use std::fmt::Display;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::super::strict;
use super::read;
use crate::instrument::definition::{Item, Kind};
use crate::instrument::{Instrument, Instruments};

/// All that a body needs, but for answers and its end.
const HEAD: &str = r#"{"submission_id":"0198f2aa-1111-7222-8333-444455556666","study_id":"ONC-301","site_id":"H001","instrument":"phq-9|1.0","answered_at":"2026-11-23T20:03:11+08:00""#;

fn answered(answers: &str) -> String {
    format!("{HEAD},\"answers\":{answers}}}")
}

/// Whether a body is plain. If so, it is a submission to the strict reader, too, and the same.
fn taken(body: &[u8]) -> bool {
    let Some(plain) = read(body) else { return false };
    assert!(strict(body).is_ok_and(|strict| strict == plain), "another submission to the strict reader");
    true
}

#[test]
fn what_devices_and_the_benchmark_write_for_each_shipped_instrument_is_plain() {
    for instrument in Instruments::shipped().unwrap().iter() {
        for by_number in [true, false] {
            let items = instrument.definition().items.iter();
            let answers: Map<String, Value> = items
                .map(|item| (item.link_id.as_str().to_owned(), answer_of(instrument, item, by_number)))
                .collect();
            let body = json!({
                "submission_id": "0198f2aa-1111-7222-8333-444455556666", "study_id": "ONC-301",
                "site_id": "H001", "subject_id": "P-0001", "instrument": &**instrument.name(),
                "answered_at": "2026-11-23T20:03:11+08:00", "sent_at": "2026-11-23T12:03:12Z",
                "answers": answers,
            });
            for text in [body.to_string(), serde_json::to_string_pretty(&body).unwrap()] {
                assert!(taken(text.as_bytes()), "{text}");
                assert!(instrument.resolve(&read(text.as_bytes()).unwrap()).is_ok(), "{text}");
            }
        }
    }
}

fn answer_of(instrument: &Instrument, item: &Item, by_number: bool) -> Value {
    match item.kind {
        Kind::Coded => {
            let first = &instrument.definition().lists[item.list.as_ref().unwrap()].options[0];
            match first.score {
                Some(score) if by_number => json!(score as i64),
                _ => json!(first.code.as_str()),
            }
        }
        Kind::Integer | Kind::Decimal => json!(item.minimum.unwrap_or(0.0) as i64),
        Kind::Boolean => json!(true),
        Kind::Text => json!("slept badly"),
    }
}

#[test]
fn answers_that_are_not_plain_are_left_to_the_strict_reader() {
    assert!(taken(answered(r#"{"a":-0,"b":"x","c":true,"d":false}"#).as_bytes()));
    for answers in [
        "{}",
        "[]",
        "1",
        r#"{"a":null}"#,
        r#"{"a":[1]}"#,
        r#"{"a":{"code":"x"}}"#,
        r#"{"a":1.0}"#,
        r#"{"a":1e2}"#,
        r#"{"a":01}"#,
        r#"{"a":-01}"#,
        r#"{"a":-}"#,
        r#"{"a":+1}"#,
        r#"{"a":1,}"#,
        r#"{"a":1 2}"#,
        r#"{"a" 1}"#,
        r#"{"a":1,"a":2}"#,
        r#"{"":1}"#,
        r#"{"a":"\n"}"#,
        r#"{"\u0061":1}"#,
        "{\"a\":\"\t\"}",
        "{\"a\":\"\u{0}\"}",
        r#"{"a":tru}"#,
        r#"{"a":truer}"#,
        r#"{"a":"x}"#,
    ] {
        assert!(read(answered(answers).as_bytes()).is_none(), "{answers}");
    }
}

#[test]
fn a_plain_body_is_bounded() {
    let many = |count: usize| {
        let all: Vec<String> = (0..count).map(|n| format!("\"{n}\":1")).collect();
        format!("{{{}}}", all.join(","))
    };
    let key = |length: usize| format!("{{\"{}\":1}}", "k".repeat(length));
    let text = |length: usize| format!("{{\"a\":\"{}\"}}", "\u{e9}".repeat(length));
    for (most, more) in [
        (many(64), many(65)),
        (key(64), key(65)),
        (text(4000), text(4001)),
        (r#"{"a":99999999999999}"#.to_owned(), r#"{"a":100000000000000}"#.to_owned()),
        (r#"{"a":-99999999999999}"#.to_owned(), r#"{"a":-100000000000000}"#.to_owned()),
    ] {
        assert!(taken(answered(&most).as_bytes()), "{most}");
        assert!(!taken(answered(&more).as_bytes()), "{more}");
    }
}

#[test]
fn what_stands_around_a_body_or_ends_it_early_is_left_to_the_strict_reader() {
    let body = answered(r#"{"a":1}"#);
    for end in 0..body.len() {
        assert!(read(&body.as_bytes()[..end]).is_none(), "{end}");
    }
    for text in [format!("{body}{body}"), format!("{body}x"), format!("[{body}]"), format!("\u{feff}{body}")]
    {
        assert!(read(text.as_bytes()).is_none(), "{text}");
    }
    assert!(read(&[body.as_bytes(), b"\xff"].concat()).is_none());
    assert!(taken(format!(" \r\n\t{body} \r\n\t").as_bytes()));
}

#[test]
fn a_body_without_what_is_required_is_left_to_the_strict_reader() {
    assert!(read(b"{}").is_none());
    assert!(read(format!("{HEAD}}}").as_bytes()).is_none());
    let body = answered(r#"{"a":1}"#);
    for key in ["submission_id", "study_id", "site_id", "instrument", "answered_at", "answers"] {
        let renamed = body.replace(&format!("\"{key}\""), "\"sent_at\"");
        assert!(read(renamed.as_bytes()).is_none(), "{key}");
    }
}

fn quoted(pattern: &'static str) -> impl Strategy<Value = String> {
    pattern.prop_map(|text| format!("\"{text}\""))
}

fn id() -> impl Strategy<Value = String> {
    (1..u128::MAX, any::<bool>()).prop_map(|(id, upper)| {
        let id = format!("\"{}\"", Uuid::from_u128(id));
        if upper { id.to_uppercase() } else { id }
    })
}

fn time() -> impl Strategy<Value = String> {
    let times = ["2026-11-23T20:03:11+08:00", "2026-11-23t12:03:12z", "1999-12-31T23:59:59.123456789-11:30"];
    prop::sample::select(times.to_vec()).prop_map(|time| format!("\"{time}\""))
}

fn answer() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => (0..10_i64).prop_map(|few| few.to_string()),
        1 => (-99_999_999_999_999..=99_999_999_999_999_i64).prop_map(|many| many.to_string()),
        1 => any::<bool>().prop_map(|yes| yes.to_string()),
        2 => quoted("[ !#-\\[\\]-~\u{7f}\u{e9}\u{1f600}]{0,20}"),
    ]
}

/// White space, as much as stands at each place of a body.
fn gap() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", " ", "\n", "\t\r\n "])
}

fn object<K: Display>(members: &[(K, String)], gap: &str) -> String {
    let members: Vec<String> =
        members.iter().map(|(key, value)| format!("{gap}\"{key}\"{gap}:{gap}{value}{gap}")).collect();
    format!("{gap}{{{}}}{gap}", members.join(","))
}

fn answers() -> impl Strategy<Value = String> {
    let answers = prop::collection::hash_map("[a-z0-9.\u{e9}-]{1,20}", answer(), 1..20);
    (answers, gap()).prop_map(|(answers, gap)| object(&answers.into_iter().collect::<Vec<_>>(), gap))
}

/// The members of a plain body, in any order.
fn members() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let place = || quoted("[A-Za-z0-9._-]{1,64}");
    let required = (id(), place(), place(), quoted("[a-z0-9.-]{1,20}\\|[0-9.]{1,8}"), time(), answers());
    let optional = (prop::option::of(quoted("[A-Z\u{e9}-]{1,40}")), prop::option::of(time()));
    let named = (required, optional).prop_map(|(required, (subject, sent))| {
        let (id, study, site, instrument, answered, answers) = required;
        let mut members = vec![
            ("submission_id", id),
            ("study_id", study),
            ("site_id", site),
            ("instrument", instrument),
            ("answered_at", answered),
            ("answers", answers),
        ];
        members.extend(subject.map(|subject| ("subject_id", subject)));
        members.extend(sent.map(|sent| ("sent_at", sent)));
        members
    });
    named.prop_shuffle()
}

fn plain_body() -> impl Strategy<Value = String> {
    (members(), gap()).prop_map(|(members, gap)| object(&members, gap))
}

/// No plain body has one of these beside what it must have.
const OTHERS: [(&str, &str); 9] = [
    ("stated", "{}"),
    ("stated", r#"{"total":1}"#),
    ("amends", r#""0198f2aa-1111-7222-8333-444455556667""#),
    ("amends", "null"),
    ("reason", r#""typo""#),
    ("sent_at", "null"),
    ("subject_id", "null"),
    ("study_id", r#""again""#),
    ("planted", "1"),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn a_plain_body_is_the_same_submission_to_both(body in plain_body()) {
        prop_assert!(taken(body.as_bytes()), "{}", body);
    }

    #[test]
    fn what_is_taken_of_a_spoilt_body_is_the_same_submission_to_both(
        body in plain_body(),
        at: prop::sample::Index,
        new in "[\\[\\]{}:,\"\\\\0-9eE.+tfnu \u{0}-]{0,3}",
    ) {
        let mut body = body.into_bytes();
        let start = at.index(body.len());
        body.splice(start..=start, new.bytes());
        taken(&body);
    }

    #[test]
    fn a_body_with_any_other_member_is_left_to_the_strict_reader(
        plain in members(),
        at: prop::sample::Index,
        other in prop::sample::select(OTHERS.to_vec()),
    ) {
        let (mut members, (key, value)) = (plain, other);
        members.insert(at.index(members.len() + 1), (key, value.to_owned()));
        prop_assert!(!taken(object(&members, "").as_bytes()));
    }
}
