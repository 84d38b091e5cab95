//! Instrument files are used whole or not at all.

use epro_schemas::instrument::definition::Kind;
use epro_schemas::instrument::{Instrument, Instruments};

use crate::sample::SHIPPED;

const GOOD: &str = r#"
id: own
version: "1"
title: Own
licence: Own.
lists:
  l: { system: s, options: [{ code: a, score: 0 }, { code: b, score: 4 }] }
items:
  - { link_id: c, type: coded, list: l }
  - { link_id: n, type: integer, minimum: 0, maximum: 4 }
  - { link_id: yes, type: boolean }
  - { link_id: t, type: text }
scores:
  - { id: s, kind: sum, items: [c, n], bands: [{ id: low, from: 0, to: 3 }, { id: high, from: 4, to: 8 }] }
  - { id: g, kind: pro_ctcae, severity: c, interference: n }
checks:
  - { id: k, kind: stated, score: s }
alerts:
  - { id: a, severity: notice, item: c, at_least: 4 }
"#;

fn problems(text: &str) -> Vec<String> {
    Instrument::read(text).map(|_| vec![]).unwrap_or_else(|problems| problems)
}

#[test]
fn the_shipped_instruments_are_these_with_their_notices() {
    let mut shipped: Vec<String> = SHIPPED.iter().map(|i| i.reference().to_string()).collect();
    shipped.sort();
    assert_eq!(shipped, ["gad-7|1.0", "nrs-pain|1.0", "phq-9|1.0", "pro-ctcae-core|1.0"]);
    let licence = |id: &str| {
        let found = SHIPPED.iter().find(|i| i.reference().id() == id).unwrap();
        found.definition().licence.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    for id in ["phq-9", "gad-7"] {
        assert!(
            licence(id).contains("No permission required to reproduce, translate, display or distribute")
        );
    }
    for id in ["phq-9", "gad-7", "nrs-pain"] {
        // The words that LOINC's licence asks for.
        for words in [
            "This material contains content from LOINC (http://loinc.org). LOINC is copyright © Regenstrief",
            "available at no cost under the license at http://loinc.org/license. LOINC® is a registered",
        ] {
            assert!(licence(id).contains(words), "{id}: {words}");
        }
    }
    assert!(licence("pro-ctcae-core").contains("must not be altered or redistributed"));
    let texts = SHIPPED.iter().flat_map(|i| &i.definition().items).filter(|item| item.kind == Kind::Text);
    assert_eq!(texts.count(), 0);
}

#[test]
fn a_sites_own_instrument_stands_beside_the_shipped_ones() {
    let own = [("own.yaml".to_owned(), GOOD.to_owned())];
    let all = Instruments::load(&own).unwrap();
    assert!(all.get(&"own|1".parse().unwrap()).is_some());
    assert!(all.get(&"own|2".parse().unwrap()).is_none());
    assert_eq!(all.iter().count(), 5);
}

#[test]
fn a_version_that_exists_can_not_be_given_another_meaning() {
    let again = GOOD.replace("id: own", "id: phq-9").replace("version: \"1\"", "version: \"1.0\"");
    let error = Instruments::load(&[("again.yaml".to_owned(), again)]).unwrap_err();
    assert_eq!(error.to_string(), "again.yaml: phq-9|1.0 is already defined by another file");
}

#[test]
fn every_problem_of_every_file_is_reported_at_once() {
    let bad = GOOD.replace("licence: Own.", "licence: ' '").replace("items: [c, n]", "items: [c, t, z, c]");
    let broken = GOOD.replace("title: Own", "title: Own\nunknown: 1");
    let files = [("bad.yaml".to_owned(), bad), ("broken.yaml".to_owned(), broken)];
    let error = Instruments::load(&files).unwrap_err();
    assert_eq!(error.problems.iter().filter(|line| line.starts_with("bad.yaml: ")).count(), 4, "{error}");
    assert!(
        error.problems.iter().any(|line| line.starts_with("broken.yaml: ") && line.contains("unknown")),
        "{error}"
    );
}

#[test]
fn a_numeric_item_without_both_bounds_is_refused() {
    for kind in ["integer", "decimal"] {
        for bounds in ["", ", minimum: 0", ", maximum: 10", ", minimum: ~, maximum: 10"] {
            let text = GOOD.replace("link_id: t, type: text", &format!("link_id: t, type: {kind}{bounds}"));
            assert_eq!(
                problems(&text),
                ["item t: must have a minimum and a maximum if it is numeric"],
                "{kind}{bounds}"
            );
        }
        let both = format!("link_id: t, type: {kind}, minimum: 0, maximum: 10");
        assert_eq!(problems(&GOOD.replace("link_id: t, type: text", &both)), [""; 0], "{kind}");
    }
}

#[test]
fn an_age_is_a_number_that_says_so_and_is_added_to_nothing() {
    let with = |item: &str| problems(&GOOD.replace("link_id: t, type: text", item));
    assert_eq!(with("link_id: t, type: integer, minimum: 0, maximum: 130, age: true"), [""; 0]);
    assert_eq!(with("link_id: t, type: text, age: true"), ["item t: must be numeric to be an age"]);
    for code in ["21611-9", "21612-7", "29553-5", "30525-0", "30972-4"] {
        let item = format!("link_id: {code}, type: decimal, minimum: 0, maximum: 130");
        let refused = format!("item {code}: must say age: true, as its LOINC code is an age's");
        assert_eq!(with(&item), [refused]);
        assert_eq!(with(&format!("{item}, age: true")), [""; 0]);
    }
    let added = GOOD.replace("minimum: 0, maximum: 4", "minimum: 0, maximum: 4, age: true");
    assert_eq!(problems(&added), ["score s: must not add up an age, like n"]);
}

#[test]
fn what_a_file_gets_wrong_is_refused() {
    assert_eq!(problems(GOOD), [""; 0]);
    for (from, to) in [
        ("version: \"1\"", "version: 1.0 beta"),
        ("id: own", "id: o|wn"),
        ("link_id: n,", "link_id: c,"),
        ("link_id: n,", "link_id: 'n o',"),
        ("type: coded, list: l", "type: coded"),
        ("type: coded, list: l", "type: coded, list: m"),
        ("type: coded, list: l", "type: coded, list: l, minimum: 1"),
        ("type: coded, list: l", "type: coded, list: l, several: true"),
        ("type: coded, list: l", "type: coded, list: l, required: no"),
        ("type: boolean", "type: boolean, several: true"),
        ("type: boolean", "type: boolean, age: true"),
        ("type: boolean", "type: yesno"),
        ("minimum: 0, maximum: 4", "minimum: 5, maximum: 4"),
        ("minimum: 0, maximum: 4", "minimum: 0"),
        ("minimum: 0, maximum: 4", "minimum: 0, maximum: .inf"),
        ("score: 4", "score: .nan"),
        ("score: 4", "score: 5"),
        ("code: b", "code: a"),
        ("code: b", "code: '0'"),
        ("system: s", "system: ''"),
        ("items: [c, n]", "items: []"),
        ("items: [c, n]", "items: [c, yes]"),
        ("items: [c, n]", "items: [c], severity: n"),
        ("to: 3", "to: 4"),
        ("from: 0, to: 3", "from: 3, to: 0"),
        ("severity: c, interference: n", "severity: c, interference: yes"),
        (", severity: c, interference: n", ""),
        ("kind: pro_ctcae", "kind: mean"),
        ("kind: stated, score: s", "kind: stated, score: z"),
        ("kind: stated, score: s", "kind: stated, item: c"),
        ("kind: stated, score: s", "kind: unanswered, item: z"),
        ("item: c, at_least: 4", "item: c, at_least: 4.5"),
        ("item: c, at_least: 4", "item: c"),
        ("item: c, at_least: 4", "item: c, at_least: 4, any_of: [a]"),
        ("item: c, at_least: 4", "item: c, any_of: [z]"),
        ("item: c, at_least: 4", "item: c, score: s, at_least: 4"),
        ("item: c, at_least: 4", "item: t, at_least: 4"),
        ("item: c, at_least: 4", "item: yes, at_least: 1"),
        ("item: c, at_least: 4", "item: z, at_least: 4"),
        ("item: c, at_least: 4", "score: z, at_least: 4"),
        ("item: c, at_least: 4", "score: s, is: true"),
        ("item: c, at_least: 4", "at_least: 4"),
        ("severity: notice", "severity: loud"),
        ("{ id: a, severity", "{ id: risk, severity"),
    ] {
        let text = GOOD.replace(from, to);
        assert_ne!(text, GOOD, "{from}");
        assert_ne!(problems(&text), [""; 0], "{from} -> {to}");
    }
}
