//! Words of instrument files.

use std::collections::{BTreeMap, HashMap};

use epro_schemas::instrument::Name;
use proptest::prelude::*;

proptest! {
    #[test]
    fn a_name_is_written_as_any_other_string_is(word in ".{0,20}") {
        let name = Name::from(word.as_str());
        prop_assert_eq!(name.json(), serde_json::to_string(&word).unwrap());
        prop_assert_eq!(serde_json::to_string(&name).unwrap(), name.json());
        prop_assert_eq!(serde_json::from_str::<Name>(name.json()).unwrap(), name);
        prop_assert_eq!(name.as_str(), word);
    }

    #[test]
    fn names_are_equal_and_ordered_as_their_words_are(one in "[ab]{0,2}", other in "[ab]{0,2}") {
        let (a, b) = (Name::from(one.as_str()), Name::from(other.as_str()));
        prop_assert_eq!(a == b, one == other);
        prop_assert_eq!(a.cmp(&b), one.cmp(&other));
        prop_assert_eq!(a == *other, one == other);
    }
}

#[test]
fn a_map_of_names_is_asked_by_word() {
    let words = ["44250-9", "44260-8"];
    let named = || words.iter().map(|word| (Name::from(*word), *word));
    let (hashed, sorted): (HashMap<_, _>, BTreeMap<_, _>) = (named().collect(), named().collect());
    for word in words {
        assert_eq!((hashed.get(word), sorted.get(word)), (Some(&word), Some(&word)));
    }
    assert_eq!((hashed.get("44251-7"), sorted.get("44251-7")), (None, None));
}

#[test]
fn a_word_that_comes_again_is_kept_once() {
    let (one, other) = (Name::from("once"), Name::from(String::from("once").as_str()));
    assert!(std::ptr::eq(one.as_str(), other.as_str()));
}
