//! Same content, same hash; other content, other hash.

use std::collections::HashMap;

use epro_schemas::canonical::content_hash;
use epro_schemas::instrument::Instrument;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::sample::{CODES, PHQ_9, body, parse, phq_9, understood, with};

fn hash(body: &Value) -> [u8; 32] {
    hash_for("P-0001", body)
}

fn hash_for(subject: &str, body: &Value) -> [u8; 32] {
    let (submission, resolved) = understood(body);
    content_hash(subject, &submission, &resolved)
}

/// Ways to write the same answer.
fn spelled(level: usize, way: usize) -> Value {
    match way % 6 {
        0 => json!(level),
        1 => json!(level as f64),
        2 => json!(level.to_string()),
        3 => json!(CODES[level]),
        4 => json!({ "code": CODES[level] }),
        _ => json!({ "code": CODES[level], "system": "http://loinc.org" }),
    }
}

/// The body's fields and answers in another order, as text.
fn shuffled(body: &Value, order: &[usize]) -> String {
    let object = |map: &Map<String, Value>, inner: &dyn Fn(&str, &Value) -> String| {
        let mut fields: Vec<_> = map.iter().collect();
        fields.sort_by_key(|(key, _)| order[key.bytes().map(usize::from).sum::<usize>() % order.len()]);
        let fields = fields.into_iter().map(|(key, value)| format!("\"{key}\" :\t{}", inner(key, value)));
        format!("{{ {} }}", fields.collect::<Vec<_>>().join(" ,\n"))
    };
    object(body.as_object().unwrap(), &|key, value| match (key, value) {
        ("answers", Value::Object(answers)) => object(answers, &|_, answer| answer.to_string()),
        _ => value.to_string(),
    })
}

fn levels() -> impl Strategy<Value = [usize; 9]> {
    proptest::array::uniform9(0..4_usize)
}

proptest! {
    #[test]
    fn order_spelling_gaps_sent_at_and_stated_totals_do_not_matter(
        levels in levels(),
        ways in proptest::array::uniform9(0..6_usize),
        order in Just((0..64).collect::<Vec<usize>>()).prop_shuffle(),
        sent in 0..60,
    ) {
        let plain = phq_9(levels);
        let mut other = with(plain.clone(), "sent_at", json!(format!("2026-11-23T21:00:{sent:02}Z")));
        other["stated"] = json!({ "total": sent });
        other["subject_id"] = json!("from the body, not from the token");
        for (n, item) in PHQ_9.iter().enumerate() {
            other["answers"][*item] = spelled(levels[n], ways[n]);
        }
        other["answers"]["69722-7"] = Value::Null;
        let other = shuffled(&other, &order);
        let submission = epro_schemas::submission::Submission::parse(other.as_bytes()).unwrap();
        let resolved = crate::sample::instrument(&submission).resolve(&submission).unwrap();
        prop_assert_eq!(content_hash("P-0001", &submission, &resolved), hash(&plain));
    }

    #[test]
    fn one_other_answer_is_another_content(one in levels(), other in levels()) {
        prop_assert_eq!(hash(&phq_9(one)) == hash(&phq_9(other)), one == other);
    }
}

#[test]
fn any_change_of_content_changes_the_hash() {
    let base = phq_9([1; 9]);
    let amending = with(
        with(base.clone(), "amends", json!("0198f2aa-1111-7222-8333-444455556667")),
        "reason",
        json!("typo"),
    );
    let mut skipped = base.clone();
    skipped["answers"]["44260-8"] = Value::Null;
    let mut difficulty = base.clone();
    difficulty["answers"]["69722-7"] = json!("LA6572-7");
    let mut other_difficulty = base.clone();
    other_difficulty["answers"]["69722-7"] = json!("LA6573-5");
    let mut seen = HashMap::new();
    for (change, hash) in [
        ("none", hash(&base)),
        ("subject", hash_for("P-0002", &base)),
        ("study", hash(&with(base.clone(), "study_id", json!("ONC-302")))),
        ("site", hash(&with(base.clone(), "site_id", json!("H002")))),
        (
            "study and site run together",
            hash(&with(with(base.clone(), "study_id", json!("ONC-301H")), "site_id", json!("001"))),
        ),
        ("a second later", hash(&with(base.clone(), "answered_at", json!("2026-11-23T20:03:12+08:00")))),
        (
            "a nanosecond later",
            hash(&with(base.clone(), "answered_at", json!("2026-11-23T20:03:11.000000001+08:00"))),
        ),
        (
            "the same instant elsewhere",
            hash(&with(base.clone(), "answered_at", json!("2026-11-23T12:03:11Z"))),
        ),
        ("an answer skipped", hash(&skipped)),
        ("an answer more", hash(&difficulty)),
        ("another answer", hash(&other_difficulty)),
        ("amends", hash(&amending)),
        (
            "amends another",
            hash(&with(amending.clone(), "amends", json!("0198f2aa-1111-7222-8333-444455556668"))),
        ),
        ("another reason", hash(&with(amending.clone(), "reason", json!("typo.")))),
    ] {
        assert_eq!(seen.insert(hash, change), None, "{change}");
    }
    // Named by the key it is stored under, not by what it says.
    let renamed = with(base.clone(), "submission_id", json!("0198f2aa-1111-7222-8333-444455556699"));
    assert_eq!(hash(&renamed), hash(&base));
    let upper = with(amending.clone(), "amends", json!("0198F2AA-1111-7222-8333-444455556667"));
    assert_eq!(hash(&upper), hash(&amending));
}

#[test]
fn values_of_different_kinds_never_hash_alike() {
    let text = "
id: kinds
version: '1'
title: Kinds
licence: none
lists: { l: { system: s, options: [{ code: '1', score: 1 }, { code: a }, { code: b }] } }
items:
  - { link_id: coded, type: coded, list: l }
  - { link_id: several, type: coded, list: l, several: true }
  - { link_id: integer, type: integer, minimum: 0, maximum: 9 }
  - { link_id: decimal, type: decimal, minimum: 0, maximum: 9 }
  - { link_id: boolean, type: boolean }
  - { link_id: text, type: text }
";
    let kinds = Instrument::read(text).unwrap();
    let hash = |answers: Value| {
        let submission = parse(&body("kinds|1", &answers)).unwrap();
        content_hash("P", &submission, &kinds.resolve(&submission).unwrap())
    };
    let different = [
        json!({ "coded": "1" }),
        json!({ "coded": "a" }),
        json!({ "several": "1" }),
        json!({ "several": ["1", "a"] }),
        json!({ "several": ["a", "b"] }),
        json!({ "integer": 1 }),
        json!({ "integer": 0 }),
        json!({ "decimal": 1 }),
        json!({ "decimal": 0.5 }),
        json!({ "decimal": 0 }),
        json!({ "boolean": true }),
        json!({ "boolean": false }),
        json!({ "text": "1" }),
        json!({ "text": "" }),
        json!({ "text": "1", "integer": 1 }),
    ];
    let hashes: std::collections::HashSet<_> = different.iter().cloned().map(hash).collect();
    assert_eq!(hashes.len(), different.len());
    for (one, same) in [
        (json!({ "several": ["b", "a"] }), json!({ "several": ["a", { "code": "b" }] })),
        (json!({ "several": 1 }), json!({ "several": ["1"] })),
    ] {
        assert_eq!(hash(one), hash(same));
    }
    // -0 and 0 are one number; serde_json can't be asked to write the first.
    let minus = body("kinds|1", &json!({ "decimal": 12345 })).to_string().replace("12345", "-0.0");
    let submission = epro_schemas::submission::Submission::parse(minus.as_bytes()).unwrap();
    assert_eq!(
        content_hash("P", &submission, &kinds.resolve(&submission).unwrap()),
        hash(json!({ "decimal": 0 }))
    );
}

#[test]
fn the_hash_is_the_one_that_is_stored_under_this_version() {
    // python3, by the layout that src/canonical.rs documents: hash rows live longer than code.
    let hex: String =
        hash(&phq_9([2, 2, 2, 2, 1, 1, 2, 0, 0])).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "497a5b66cfa7e5e952f147ec5c881c2ac123e6d08176a4369466a4a705da0a99");
}
