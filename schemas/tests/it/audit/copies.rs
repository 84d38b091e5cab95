//! A copy is as old as it is: what was written after it is not missing from it, whatever anchors were made later.

use epro_schemas::audit::anchor::{CHAIN, PublicKey};
use epro_schemas::audit::anchors::{AnchorFault, AnchorTrouble, Anchors};
use epro_schemas::audit::digest::Digest;
use epro_schemas::audit::event::Event;
use epro_schemas::audit::verifier::{ANCHORED, Asked, Broken, EXPORTED, Findings, Verifier};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{A, B, anchors, chain, head, key, read, rehash, verified, verified_by};

const EXPORT: Uuid = Uuid::from_u128(0xe);

/// An event that is alone in its chain.
fn alone(writer: Uuid, action: &str, details: &Value) -> Event {
    let mut event = chain(writer, 1).remove(0);
    event.action = action.into();
    event.details = serde_json::value::RawValue::from_string(details.to_string()).ok();
    rehash(std::slice::from_mut(&mut event), 0);
    event
}

/// The event of an export whose copy goes up to this anchor.
fn exported(writer: Uuid, anchor: u64) -> Event {
    alone(writer, EXPORTED, &json!({"anchor": anchor, "format": "ndjson", "reason": "inspection"}))
}

/// A trail of which a copy was taken after its second anchor; two were made later.
struct World {
    a: Vec<Event>,
    b: Vec<Event>,
    export: Event,
    files: Vec<Vec<u8>>,
    key: PublicKey,
}

impl World {
    fn new() -> Self {
        let (key, a, b, export) = (key(), chain(A, 9), chain(B, 4), exported(EXPORT, 2));
        let [a3, a6, a8, a9] = [3, 6, 8, 9].map(|seq| head(&a[seq - 1]));
        let [b2, b3, b4] = [2, 3, 4].map(|seq| head(&b[seq - 1]));
        let e = || head(&export);
        let heads = [vec![a3], vec![a6, b2], vec![a8, b3, e()], vec![a9, b4, e()]];
        let files = anchors(&key, &heads);
        Self { a, b, export, files, key: key.public() }
    }

    /// The first so many anchors.
    fn anchors(&self, count: usize) -> Anchors {
        let files: Vec<(u64, &[u8])> = (1..).zip(self.files[..count].iter().map(Vec::as_slice)).collect();
        read(&files, std::slice::from_ref(&self.key))
    }

    /// So many events of each chain, and that of the export.
    fn copy(&self, a: usize, b: usize) -> Vec<Event> {
        [&self.a[..a], &self.b[..b], std::slice::from_ref(&self.export)].concat()
    }

    /// A copy, checked with the first so many anchors.
    fn found(&self, events: &[Event], count: usize, until: Option<u64>) -> Findings {
        verified_by(Verifier::of_copy(self.anchors(count), until), events)
    }
}

/// Chains that are broken, and how.
fn broken(findings: &Findings) -> Vec<(Uuid, i64, Broken)> {
    findings.broken.iter().map(|fault| (fault.writer, fault.first_bad, fault.what)).collect()
}

#[test]
fn a_copy_that_says_how_far_it_goes_holds_whatever_anchors_were_made_later() {
    let world = World::new();
    for (a, b) in [(6, 2), (8, 2)] {
        let copy = world.copy(a, b);
        for count in 2..=4 {
            let findings = world.found(&copy, count, None);
            assert!(findings.hold(), "{a} {b} {count}: {findings:?}");
            assert_eq!((findings.asked, findings.unasked), (Asked::UpTo(2), count - 2));
        }
        let strictly = verified(&copy, world.anchors(4));
        assert!(!strictly.hold() && strictly.asked == Asked::All, "the database has to have it all");
    }
}

#[test]
fn what_a_copy_lacks_below_its_own_word_is_missing() {
    let world = World::new();
    for count in 2..=4 {
        let cut = broken(&world.found(&world.copy(5, 2), count, None));
        assert_eq!(cut, [(A, 6, Broken::Cut { seq: 6, anchor: 2 })]);
        let lost = broken(&world.found(&world.copy(6, 0), count, None));
        assert_eq!(lost, [(B, 1, Broken::Lost { anchor: 2 })]);
    }
}

#[test]
fn what_a_later_anchor_has_of_a_copy_has_to_be_what_it_says() {
    let world = World::new();
    let mut copy = world.copy(8, 2);
    copy[7].outcome = "refused".into();
    copy[7].hash = copy[7].hashed();
    assert!(world.found(&copy, 2, None).hold(), "no anchor had it yet");
    let rewritten = Broken::Rewritten { seq: 8, anchor: 3 };
    assert_eq!(broken(&world.found(&copy, 3, None)), [(A, 7, rewritten)]);
}

#[test]
fn whoever_has_what_was_written_after_an_anchor_has_to_have_all_that_the_anchor_has() {
    let world = World::new();
    // The ninth of A was written after the third anchor; the third of B was there before.
    let cut = broken(&world.found(&world.copy(9, 2), 4, None));
    assert_eq!(cut, [(B, 3, Broken::Cut { seq: 3, anchor: 3 })]);
    assert!(world.found(&world.copy(9, 3), 4, None).hold());
}

#[test]
fn an_anchor_of_which_a_copy_tells_is_asked_although_it_was_made_behind_the_copys_word() {
    let world = World::new();
    let statement = world.files[2].split(|byte| *byte == b'\n').next().unwrap();
    let told = alone(CHAIN, ANCHORED, &json!({"anchor": 3, "sha256": Digest::of(statement)}));
    let with = |a, b| [world.copy(a, b), vec![told.clone()]].concat();
    let findings = world.found(&with(8, 3), 4, None);
    assert!(findings.hold() && findings.asked == Asked::UpTo(3), "{findings:?}");
    let cut = broken(&world.found(&with(8, 2), 4, None));
    assert_eq!(cut, [(B, 3, Broken::Cut { seq: 3, anchor: 3 })]);
}

#[test]
fn a_word_that_later_anchors_do_not_have_is_not_believed() {
    let world = World::new();
    let forged = [&world.a[..3], &[exported(Uuid::from_u128(0xf), 1)][..]].concat();
    let findings = world.found(&forged, 4, None);
    assert_eq!((findings.asked, findings.unasked), (Asked::AllAgainstWord(1), 0));
    let lost = |writer| (writer, 1, Broken::Lost { anchor: 4 });
    let lost_first = |writer| (writer, 1, Broken::Lost { anchor: 3 });
    let cut = (A, 4, Broken::Cut { seq: 9, anchor: 4 });
    assert_eq!(broken(&findings), [cut, lost(B), lost_first(EXPORT)]);
    assert!(world.found(&forged, 4, Some(1)).hold(), "unless somebody says that it goes no further");
    assert!(world.found(&forged, 2, None).hold(), "the next one may have been on its way");
}

#[test]
fn a_copy_without_a_word_is_judged_by_all_anchors_unless_somebody_says_up_to_which_it_goes() {
    let world = World::new();
    let copy = [&world.a[..7], &world.b[..2]].concat();
    let findings = world.found(&copy, 4, None);
    assert_eq!((findings.asked, findings.unasked), (Asked::AllForWantOfWord, 0));
    assert_eq!(findings.broken.len(), 3, "{findings:?}");
    let findings = world.found(&copy, 4, Some(2));
    assert!(findings.hold() && findings.unasked == 2, "{findings:?}");
    let cut = Broken::Cut { seq: 8, anchor: 3 };
    assert_eq!(broken(&world.found(&copy, 4, Some(3)))[0], (A, 8, cut));
    // An event of an export as it was before it said so.
    let older = alone(EXPORT, EXPORTED, &json!({"format": "ndjson", "reason": "inspection"}));
    assert_eq!(world.found(&[older], 2, None).asked, Asked::AllForWantOfWord);
}

#[test]
fn an_anchor_up_to_which_a_copy_is_said_to_go_has_to_be_there() {
    let world = World::new();
    let copy = world.copy(7, 2);
    let missing = |number| vec![AnchorFault { number, what: AnchorTrouble::Missing }];
    assert_eq!(world.found(&copy, 1, None).anchors, missing(2));
    assert_eq!(world.found(&copy, 2, Some(5)).anchors, missing(5));
}
