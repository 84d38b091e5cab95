use std::sync::Arc;

use super::*;

fn sent(id: u128, bytes: &[u8], status: Option<u16>) -> Sent {
    Sent { id: Uuid::from_u128(id), sha256: sha256(bytes), bytes: Arc::from(bytes), status }
}

fn key(sent: &Sent) -> Key {
    (sent.id, sent.sha256)
}

fn tables(stored: &[&Sent], dead: &[&Sent], duplicates: &[&Sent]) -> Tables {
    Tables {
        stored: stored.iter().map(|one| key(one)).collect(),
        stored_ids: stored.iter().map(|one| (one.id, None)).collect(),
        dead: dead.iter().map(|one| key(one)).collect(),
        duplicates: duplicates.iter().map(|one| (key(one), None)).collect(),
    }
}

fn complaints(log: &[Sent], tables: &Tables) -> Vec<String> {
    let mut wrong = Vec::new();
    compare(&Logged::from(log), tables, &mut wrong);
    wrong
}

#[test]
fn what_was_accepted_and_is_nowhere_is_a_complaint_though_the_counts_agree() {
    let log = [sent(1, b"a", Some(202)), sent(2, b"b", Some(202)), sent(3, b"c", Some(422))];
    assert!(complaints(&log, &tables(&[&log[0], &log[1]], &[], &[])).is_empty());
    assert_eq!(complaints(&log, &tables(&[&log[0], &log[2]], &[], &[])).len(), 2);
}

#[test]
fn the_same_id_with_other_bytes_is_not_the_same_submission() {
    let log = [sent(1, b"a", Some(202))];
    assert_eq!(complaints(&log, &tables(&[&sent(1, b"other", None)], &[], &[])).len(), 2);
}

#[test]
fn an_unknown_outcome_may_be_there_or_not() {
    let log = [sent(1, b"a", None), sent(2, b"b", Some(503))];
    assert!(complaints(&log, &tables(&[], &[], &[])).is_empty());
    assert!(complaints(&log, &tables(&[&log[0], &log[1]], &[], &[])).is_empty());
}

#[test]
fn stored_and_set_aside_at_once_is_a_complaint() {
    let log = [sent(1, b"a", Some(202))];
    assert_eq!(complaints(&log, &tables(&[&log[0]], &[&log[0]], &[])).len(), 1);
}

#[test]
fn a_duplicate_counts_only_beside_the_submission_that_it_repeats() {
    let log = [sent(1, b"a", Some(202)), sent(1, b"a restamped", Some(202))];
    assert!(complaints(&log, &tables(&[&log[0]], &[], &[&log[1]])).is_empty());
    assert_eq!(complaints(&log, &tables(&[], &[], &[&log[0], &log[1]])).len(), 1);
}

#[test]
fn what_the_trail_calls_a_copy_has_to_be_one_but_for_its_sent_at() {
    let body = |answer: u8, sent_at: &str| {
        format!("{{\"answers\":{{\"a\":{answer}}},\"sent_at\":\"{sent_at}\"}}").into_bytes()
    };
    let log = [
        sent(1, &body(2, "20:04"), Some(202)),
        sent(1, &body(2, "20:05"), Some(202)),
        sent(1, &body(3, "20:06"), Some(202)),
    ];
    let tables = tables(&[&log[0]], &[], &[&log[1], &log[2]]);
    assert!(complaints(&log, &tables).is_empty(), "the trail accounts for all of them");
    let logged = Logged::from(&log);
    let left = |stored: &[u8]| {
        let mut copies = Copies::of(&logged, &tables);
        copies.beside(Uuid::from_u128(9), stored);
        assert_eq!(copies.left().count(), 2, "another submission is no witness");
        copies.beside(Uuid::from_u128(1), stored);
        copies.left().copied().collect::<Vec<_>>()
    };
    assert_eq!(left(&log[0].bytes), [key(&log[2])], "another answer");
    assert_eq!(left(b"no JSON").len(), 2);
}
