//! The audit trail, checked by somebody who has only the file, the anchors and a public key.

mod copies;
mod fhir;
mod lines;

use epro_schemas::audit::anchor::{Anchor, AnchorError, Head, PublicKey, SigningKey};
use epro_schemas::audit::anchors::{AnchorTrouble, Anchors};
use epro_schemas::audit::digest::Digest;
use epro_schemas::audit::event::{Event, Line};
use epro_schemas::audit::fhir::audit_event;
use epro_schemas::audit::row::genesis;
use epro_schemas::audit::verifier::{ANCHORED, Broken, Findings, Verifier};
use proptest::prelude::*;
use time::OffsetDateTime;
use uuid::Uuid;

const A: Uuid = Uuid::from_u128(0xa);
const B: Uuid = Uuid::from_u128(0xb);

/// Events `from..=to` of a chain behind `hash`.
fn events(writer: Uuid, mut hash: Digest, from: i64, to: i64) -> Vec<Event> {
    (from..=to)
        .map(|seq| {
            let mut event = Event {
                writer,
                name: "a writer".into(),
                seq,
                at: OffsetDateTime::from_unix_timestamp(1_800_000_000 + seq).unwrap(),
                action: "submission.stored".into(),
                outcome: "ok".into(),
                actor: format!("subject:{}", Uuid::from_u128(seq as u128)),
                client: Some("diary".into()),
                from_network: Some("192.0.2.0/24".into()),
                submission_id: Some(Uuid::from_u128(seq as u128)),
                pseudonym: None,
                site_id: Some("H001".into()),
                study_id: None,
                body_sha256: Some(Digest([7; 32])),
                received_at: Some(OffsetDateTime::UNIX_EPOCH),
                details: serde_json::value::RawValue::from_string(r#"{"z":1.0, "a":"ü"}"#.into()).ok(),
                trace_id: None,
                prev_hash: hash,
                hash,
            };
            event.hash = event.hashed();
            hash = event.hash;
            event
        })
        .collect()
}

fn chain(writer: Uuid, length: i64) -> Vec<Event> {
    events(writer, Digest(genesis(writer, "a writer")), 1, length)
}

/// Gives the events behind index `from` hashes that fit again, as whoever owns the database can.
fn rehash(chain: &mut [Event], from: usize) {
    for index in from..chain.len() {
        if index > 0 {
            chain[index].prev_hash = chain[index - 1].hash;
        }
        chain[index].hash = chain[index].hashed();
    }
}

fn key() -> SigningKey {
    let der =
        aws_lc_rs::signature::Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).unwrap();
    SigningKey::from_pkcs8(der.as_ref()).unwrap()
}

fn head(event: &Event) -> Head {
    Head { writer: event.writer, seq: event.seq, hash: event.hash }
}

/// One anchor a list of heads, each behind the one before it.
fn anchors(key: &SigningKey, heads: &[Vec<Head>]) -> Vec<Vec<u8>> {
    let mut previous = None;
    let made = heads.iter().zip(1..).map(|(heads, number)| {
        let at = OffsetDateTime::UNIX_EPOCH;
        let anchor = Anchor { number, at, previous, key: key.public().id(), heads: heads.clone() };
        let (file, digest) = anchor.signed(key).unwrap();
        previous = Some(digest);
        file
    });
    made.collect()
}

fn read(files: &[(u64, &[u8])], keys: &[PublicKey]) -> Anchors {
    let mut anchors = Anchors::default();
    for (number, file) in files {
        anchors.add(*number, file, keys);
    }
    anchors
}

fn verified(events: &[Event], anchors: Anchors) -> Findings {
    verified_by(Verifier::new(anchors), events)
}

fn verified_by(mut verifier: Verifier, events: &[Event]) -> Findings {
    for event in events {
        // Through the file's form: nothing may be lost on the way.
        let line = serde_json::to_string(event).unwrap();
        assert!(!line.contains('\n'));
        verifier.add(&serde_json::from_str::<Line<'_>>(&line).unwrap());
    }
    verifier.finish()
}

/// The chain A of 9 events with an anchor at 3 and at 6, after `change`.
fn found(change: impl FnOnce(&mut Vec<Event>)) -> Option<(i64, Broken)> {
    let (key, mut chain) = (key(), chain(A, 9));
    let files = anchors(&key, &[vec![head(&chain[2])], vec![head(&chain[5])]]);
    change(&mut chain);
    let findings = verified(&chain, read(&[(1, &files[0]), (2, &files[1])], &[key.public()]));
    assert_eq!(findings.anchors, []);
    assert!(findings.broken.iter().all(|fault| fault.writer == A));
    assert_eq!(findings.hold(), findings.broken.is_empty());
    findings.broken.first().map(|fault| (fault.first_bad, fault.what))
}

#[test]
fn a_trail_that_nobody_touched_holds_and_says_how_much_no_anchor_vouches_for() {
    let (key, mut all) = (key(), [chain(A, 9), chain(B, 2)].concat());
    let files = anchors(&key, &[vec![head(&all[2])], vec![head(&all[5]), head(&all[10])]]);
    all.sort_by_key(|event| event.seq); // chains may be mixed
    let findings = verified(&all, read(&[(1, &files[0]), (2, &files[1])], &[key.public()]));
    assert!(findings.hold(), "{findings:?}");
    assert_eq!((findings.chains, findings.events, findings.unanchored), (2, 11, 3));
}

#[test]
fn whatever_is_done_to_a_chain_is_found_and_its_first_bad_sequence_named() {
    let rewritten = |seq, anchor| Broken::Rewritten { seq, anchor };
    type Change = fn(&mut Vec<Event>);
    type Case = (&'static str, Change, Option<(i64, Broken)>);
    let cases: [Case; 15] = [
        ("nothing", |_| (), None),
        ("edited", |c| c[4].outcome = "refused".into(), Some((5, Broken::Changed))),
        ("edited in what is null", |c| c[4].study_id = Some(String::new()), Some((5, Broken::Changed))),
        (
            "edited and hashed anew",
            |c| {
                c[7].outcome = "refused".into();
                c[7].hash = c[7].hashed();
            },
            Some((8, Broken::OneOfTwo)),
        ),
        ("its hash edited", |c| c[4].hash = Digest([0; 32]), Some((5, Broken::Changed))),
        (
            "edited, everything behind it hashed anew",
            |c| {
                c[3].outcome = "refused".into();
                rehash(c, 3);
            },
            Some((4, rewritten(6, 2))),
        ),
        (
            "the first edited, everything hashed anew",
            |c| {
                c[0].outcome = "refused".into();
                rehash(c, 0);
            },
            Some((1, rewritten(3, 1))),
        ),
        ("one deleted", |c| drop(c.remove(4)), Some((5, Broken::Missing))),
        ("the first deleted", |c| drop(c.remove(0)), Some((1, Broken::Missing))),
        (
            "one put in, those behind it moved on",
            |c| {
                let put = c[6].clone();
                c.insert(7, put);
                (7..c.len()).for_each(|index| c[index].seq = index as i64 + 1);
                c[7].prev_hash = c[6].hash;
                c[7].hash = c[7].hashed();
            },
            Some((8, Broken::Foreign)),
        ),
        ("one there twice", |c| c.insert(4, c[3].clone()), Some((5, Broken::Missing))),
        ("two exchanged", |c| c.swap(3, 4), Some((4, Broken::Missing))),
        (
            "two exchanged with their numbers",
            |c| {
                c.swap(3, 4);
                (c[3].seq, c[4].seq) = (4, 5);
            },
            Some((4, Broken::Changed)),
        ),
        ("the tail cut off", |c| c.truncate(4), Some((5, Broken::Cut { seq: 6, anchor: 2 }))),
        ("the whole chain lost", Vec::clear, Some((1, Broken::Lost { anchor: 2 }))),
    ];
    for (what, change, expected) in cases {
        assert_eq!(found(change), expected, "{what}");
    }
}

/// Gives these events their places as numbers and hashes of their own, but leaves what each says that it is behind.
fn renumber(chain: &mut [Event], from: usize) {
    for (index, event) in chain.iter_mut().enumerate().skip(from) {
        event.seq = index as i64 + 1;
        event.hash = event.hashed();
    }
}

#[test]
fn an_event_that_nobody_touched_is_not_accused_by_one_behind_it_that_was_made_anew() {
    type Change = fn(&mut Vec<Event>);
    let cases: [(&str, Change, (i64, Broken)); 13] = [
        ("what it is behind, hashed anew", |c| behind_another(c, 4), (5, Broken::Foreign)),
        ("the same behind an anchor", |c| behind_another(c, 3), (4, Broken::Foreign)),
        ("the same where an anchor is", |c| behind_another(c, 5), (6, Broken::Foreign)),
        (
            "the same, and everything behind it hashed anew",
            |c| {
                behind_another(c, 4);
                rehash(c, 5);
            },
            (4, Broken::Rewritten { seq: 6, anchor: 2 }),
        ),
        ("the last but one, which no anchor has", |c| behind_another(c, 7), (8, Broken::Foreign)),
        ("the last, which no anchor has", |c| behind_another(c, 8), (8, Broken::OneOfTwo)),
        (
            "one deleted, each behind it moved up and hashed anew",
            |c| {
                drop(c.remove(4));
                renumber(c, 4);
            },
            (5, Broken::Foreign),
        ),
        (
            "two deleted, each behind them moved up and hashed anew",
            |c| {
                drop(c.drain(4..6));
                renumber(c, 4);
            },
            (5, Broken::Foreign),
        ),
        (
            "two exchanged, renumbered and hashed anew",
            |c| {
                c.swap(4, 5);
                renumber(c, 4);
            },
            (5, Broken::Foreign),
        ),
        (
            "one put in, each behind it moved on and hashed anew, also where an anchor is",
            |c| {
                put_in(c, 4, 1);
                renumber(c, 5);
            },
            (5, Broken::Foreign),
        ),
        (
            "two put in, each behind them moved on and hashed anew",
            |c| {
                put_in(c, 6, 2);
                renumber(c, 8);
            },
            (7, Broken::Foreign),
        ),
        (
            "edited and hashed anew, an anchor behind it",
            |c| {
                c[3].outcome = "refused".into();
                c[3].hash = c[3].hashed();
            },
            (4, Broken::Foreign),
        ),
        (
            "two edited, each hashed anew",
            |c| {
                c[3].outcome = "refused".into();
                c[4].outcome = "refused".into();
                renumber(&mut c[..5], 3);
            },
            (4, Broken::OneOfTwo),
        ),
    ];
    for (what, change, expected) in cases {
        assert_eq!(found(change), Some(expected), "{what}");
    }
}

/// Puts so many events in that fit those before them.
fn put_in(chain: &mut Vec<Event>, index: usize, count: usize) {
    let mut put = events(A, chain[index - 1].hash, index as i64 + 1, (index + count) as i64);
    put[0].action = "made.up".into();
    rehash(&mut put, 0);
    chain.splice(index..index, put);
}

/// Says of one that it is behind another than it was made behind, and hashes it anew.
fn behind_another(chain: &mut [Event], index: usize) {
    chain[index].prev_hash = Digest([9; 32]);
    chain[index].hash = chain[index].hashed();
}

/// What docs/SECURITY.md says of stretches: those that fit again are found by the next anchor alone.
#[test]
fn of_a_stretch_that_was_made_anew_up_to_an_anchor_the_first_that_may_be_bad_is_named() {
    let (key, all) = (key(), chain(A, 9));
    let files = anchors(&key, &[vec![head(&all[2])], vec![head(&all[5])]]);
    for edited in 3..6_usize {
        for last in edited..6 {
            let mut events = all.clone();
            events[edited].outcome = "refused".into();
            events[edited].hash = events[edited].hashed();
            rehash(&mut events[..=last], edited + 1);
            let findings = verified(&events, read(&[(1, &files[0]), (2, &files[1])], &[key.public()]));
            let fault = findings.broken[0];
            assert_eq!(fault.vouched, 3);
            // Made anew up to the anchor, it says so; otherwise the last of the stretch doesn't fit.
            let first_bad = if last == 5 { 4 } else { last as i64 + 1 };
            assert_eq!(fault.first_bad, first_bad, "{edited}..={last}: {:?}", fault.what);
        }
    }
}

/// What docs/SECURITY.md says of the end of a trail.
#[test]
fn a_tail_that_was_cut_off_behind_the_last_anchor_is_as_one_that_was_never_written() {
    assert_eq!(found(|chain| chain.truncate(6)), None);
    assert_eq!(found(|chain| chain.truncate(5)), Some((6, Broken::Cut { seq: 6, anchor: 2 })));
}

#[test]
fn an_anchor_that_is_forged_changed_replaced_or_gone_is_named() {
    let (key, other, all) = (key(), key(), chain(A, 9));
    let heads = [vec![head(&all[2])], vec![head(&all[5])], vec![head(&all[8])]];
    let files = anchors(&key, &heads);
    let forged = anchors(&other, &heads);
    let text = |file: &[u8]| String::from_utf8(file.to_vec()).unwrap();
    let changed = text(&files[1]).replacen("\"seq\":6", "\"seq\":7", 1).into_bytes();
    let alone = anchors(&key, &heads[1..2]).remove(0);
    let alone = Anchor { number: 2, ..Anchor::read(&alone, &[key.public()]).unwrap().0 };
    let alone = alone.signed(&key).unwrap().0;
    let whole: [&[u8]; 3] = [&files[0], &files[1], &files[2]];
    let second = |file| [whole[0], file, whole[2]];
    let itself = AnchorTrouble::Itself;
    type Case<'f> = (&'f [&'f [u8]], Vec<(u64, AnchorTrouble)>);
    let cases: [Case<'_>; 5] = [
        (&whole, vec![]),
        (&second(&forged[1]), vec![(2, itself(AnchorError::UnknownKey))]),
        (&second(&changed), vec![(2, itself(AnchorError::Signature))]),
        (&second(b"{}\n"), vec![(2, itself(AnchorError::Malformed))]),
        (&second(&alone), vec![(2, AnchorTrouble::Unlinked), (3, AnchorTrouble::Unlinked)]),
    ];
    for (files, expected) in cases {
        let files: Vec<(u64, &[u8])> = (1..).zip(files.iter().copied()).collect();
        let findings = verified(&all, read(&files, &[key.public()]));
        let found: Vec<_> = findings.anchors.iter().map(|fault| (fault.number, fault.what)).collect();
        assert_eq!((found, &findings.broken), (expected, &vec![]));
    }
    let gap = read(&[(1, whole[0]), (3, whole[2])], &[key.public()]);
    assert_eq!(
        gap.faults().iter().map(|f| (f.number, f.what)).collect::<Vec<_>>(),
        [(2, AnchorTrouble::Missing)]
    );
    let renamed = read(&[(1, whole[0]), (2, whole[2])], &[key.public()]);
    assert_eq!(renamed.faults()[0].what, AnchorTrouble::Renamed);
}

#[test]
fn the_last_anchor_can_not_be_taken_away_because_the_trail_tells_of_it() {
    let (key, mut all) = (key(), chain(A, 4));
    let files = anchors(&key, &[vec![head(&all[1])], vec![head(&all[1])]]);
    let digest = Digest::of(files[1].split(|byte| *byte == b'\n').next().unwrap());
    all[3].action = ANCHORED.into();
    let details = serde_json::json!({"anchor": 2, "sha256": digest}).to_string();
    all[3].details = serde_json::value::RawValue::from_string(details).ok();
    rehash(&mut all, 3);
    let keys = [key.public()];
    assert!(verified(&all, read(&[(1, &files[0]), (2, &files[1])], &keys)).hold());
    let mut findings = verified(&all, read(&[(1, &files[0])], &keys));
    assert_eq!(findings.later, [(2, digest)]);
    let mut late = findings.clone();
    late.judge_later(2, digest, Some(&files[1]), &keys);
    assert!(late.hold(), "made while events were read");
    findings.judge_later(2, digest, None, &keys);
    assert_eq!((findings.anchors[0].number, findings.anchors[0].what), (2, AnchorTrouble::Missing));
}

/// What docs/SECURITY.md says that nobody can see by the chains.
#[test]
fn an_event_with_an_earlier_time_behind_the_last_anchor_and_a_chain_that_was_made_up_hold_and_are_counted() {
    let (key, mut all) = (key(), chain(A, 3));
    let first = anchors(&key, &[vec![head(&all[2])]]);
    let mut late = events(A, all[2].hash, 4, 4);
    late[0].at -= time::Duration::days(30);
    rehash(&mut late, 0);
    all.extend(late);
    all.extend(chain(B, 2));
    let before = verified(&all, read(&[(1, &first[0])], &[key.public()]));
    assert!(before.hold(), "{before:?}");
    assert_eq!(before.unanchored, 3, "no anchor vouches for them");

    let heads = [vec![head(&all[2])], vec![head(&all[3]), head(&all[5])]];
    let files = anchors(&key, &heads);
    let after = verified(&all, read(&[(1, &files[0]), (2, &files[1])], &[key.public()]));
    assert!(after.hold() && after.unanchored == 0, "the next one does: {after:?}");
}

#[test]
fn an_event_is_told_in_fhirs_words() {
    let resource = audit_event(&chain(A, 1)[0]);
    assert_eq!(resource["resourceType"], "AuditEvent");
    assert_eq!((&resource["action"], &resource["outcome"]), (&"C".into(), &"0".into()));
    assert_eq!(resource["subtype"][0]["code"], "submission.stored");
    assert_eq!(resource["agent"][0]["requestor"], true);
    assert_eq!(resource["agent"][0]["network"]["address"], "192.0.2.0/24");
    let hash = resource["entity"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|e| e["detail"].as_array().into_iter().flatten());
    assert!(
        hash.clone().any(
            |detail| detail["type"] == "hash" && detail["valueString"] == chain(A, 1)[0].hash.to_string()
        )
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// One column of one event, changed in any way, with or without a hash of its own or all hashes behind it made
    /// anew: it is found, never after the event itself, and never before the last anchor that still agrees.
    #[test]
    fn no_edit_of_an_anchored_event_goes_unseen(length in 2_i64..30, at in any::<prop::sample::Index>(),
        field in 0..COLUMNS, byte in any::<u8>(), anew in 0..3) {
        let (key, mut all) = (key(), chain(A, length));
        let files = anchors(&key, &[vec![head(&all[all.len() / 2])], vec![head(&all[all.len() - 1])]]);
        let index = at.index(all.len());
        let before = all[index].hashed();
        edit(&mut all[index], field, byte);
        prop_assume!(all[index].hashed() != before);
        if anew > 0 {
            all[index].hash = all[index].hashed();
        }
        if anew > 1 {
            rehash(&mut all, index + 1);
        }
        let agreed = if index > all.len() / 2 { all.len() as i64 / 2 + 1 } else { 0 };
        let findings = verified(&all, read(&[(1, &files[0]), (2, &files[1])], &[key.public()]));
        prop_assert_eq!(findings.broken.len(), 1);
        let (first, vouched) = (findings.broken[0].first_bad, findings.broken[0].vouched);
        prop_assert_eq!(vouched, agreed);
        prop_assert!(first > agreed && first <= index as i64 + 1, "{:?} of {}", findings.broken[0], index + 1);
        prop_assert!(anew > 0 || first == index as i64 + 1);
    }
}

const COLUMNS: usize = 17;

fn edit(event: &mut Event, column: usize, byte: u8) {
    let id = Uuid::from_u128(u128::from(byte) << 64);
    let text = || String::from(char::from(byte | 0x20));
    match column {
        0 => event.seq += i64::from(byte) + 1,
        1 => event.at += time::Duration::microseconds(i64::from(byte) + 1),
        2 => event.action += &text(),
        3 => event.outcome += &text(),
        4 => event.actor += &text(),
        5 => event.client = None,
        6 => event.from_network = Some(text()),
        7 => event.submission_id = Some(id),
        8 => event.pseudonym = Some(id),
        9 => event.site_id = Some(text()),
        10 => event.study_id = Some(text()),
        11 => event.body_sha256 = Some(Digest([byte; 32])),
        12 => event.received_at = None,
        13 => event.details = serde_json::value::RawValue::from_string(byte.to_string()).ok(),
        14 => event.trace_id = Some(text()),
        15 => event.prev_hash = Digest([byte; 32]),
        _ => event.seq -= i64::from(byte) + 1,
    }
}
