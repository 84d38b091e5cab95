//! Held against serde_json, which nobody here wrote.

use proptest::prelude::*;
use serde_json::Value;

use super::{Flaw, Json, parse};

/// As serde_json would have it; `None` if there is a flaw somewhere.
fn plain(json: &Json<'_>) -> Option<Value> {
    Some(match json {
        Json::Null => Value::Null,
        Json::Boolean(yes) => Value::from(*yes),
        Json::Number(text) => serde_json::from_str(text).ok()?,
        Json::Text(text) => Value::from(text.as_ref()),
        Json::Flawed(_) => return None,
        Json::Array(values) => values.iter().map(plain).collect::<Option<_>>()?,
        Json::Object(entries) => entries
            .iter()
            .map(|entry| entry.flaw.is_none().then(|| Some((entry.key.to_string(), plain(&entry.value)?)))?)
            .collect::<Option<_>>()?,
    })
}

fn agrees(text: &[u8]) -> Result<(), TestCaseError> {
    let theirs = serde_json::from_slice::<Value>(text);
    match (parse(text), theirs) {
        (Ok(ours), Ok(theirs)) => {
            if let Some(ours) = plain(&ours) {
                prop_assert_eq!(ours, theirs);
            }
        }
        // Numbers that no double holds and lone surrogates are JSON all the same.
        (Ok(ours), Err(_)) => prop_assert!(plain(&ours).is_none()),
        (Err(error), Ok(_)) => prop_assert!(error.what.contains("too deep"), "{}", error),
        (Err(_), Err(_)) => {}
    }
    Ok(())
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::hash_map(".{0,4}", inner, 0..6).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn what_serde_json_writes_is_read_as_the_same(value in any_json(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        let text = text.unwrap();
        let ours = parse(text.as_bytes()).unwrap();
        let ours = plain(&ours);
        // The only flaw that a value can bring along is a NUL.
        prop_assert_eq!(ours, if text.contains("\\u0000") { None } else { Some(serde_json::from_str(&text).unwrap()) });
    }

    #[test]
    fn damaged_json_is_json_to_both_or_to_neither(
        value in any_json(),
        at: prop::sample::Index,
        new in "[\\[\\]{}:,\"\\\\0-9eE.+tfnu \u{0}-]{0,3}",
    ) {
        let mut text = value.to_string().into_bytes();
        let start = at.index(text.len());
        text.splice(start..=start, new.bytes());
        agrees(&text)?;
    }

    #[test]
    fn strings_and_numbers_are_the_same_to_both(
        text in "(\"(\\\\u[dD][89a-fA-F][0-9a-f]{2}|\\\\u00[0-9a-f]{2}|\\\\[\"\\\\/bfnrtx]|[a-z\u{e9}\u{1f600}\u{0}-\u{20}])*\"|-?[0-9]{1,20}(\\.[0-9]{0,20})?([eE][+-]?[0-9]{0,4})?)",
    ) {
        agrees(text.as_bytes())?;
    }
}

#[test]
fn flaws_stand_at_their_place_and_reading_goes_on() {
    let json = parse(br#"{"a":"\u0000","a":"\ud800\u0041","\udc00":"\ud83d\ude00"}"#).unwrap();
    let Json::Object(entries) = json else { panic!("an object") };
    assert!(matches!(entries[0].value, Json::Flawed(Flaw::Nul)));
    assert_eq!(entries[1].flaw, Some(Flaw::Twice));
    assert!(matches!(entries[1].value, Json::Flawed(Flaw::Surrogate)));
    assert_eq!(entries[2].flaw, Some(Flaw::Surrogate));
    assert!(matches!(&entries[2].value, Json::Text(text) if text == "\u{1f600}"));
}
