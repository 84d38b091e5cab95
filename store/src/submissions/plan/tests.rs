use super::*;
use crate::audit::{Actor, AuditFacts};
use crate::submissions::{HeadersForRedrive, IdentifiedRow, ResearchRow, Source};
use bytes::Bytes;
use serde_json::Value;
use time::OffsetDateTime;

/// One of a subject of its own, with that content.
fn submission(id: u128, content: u8) -> NewSubmission {
    let id = Uuid::from_u128(id);
    NewSubmission {
        identified: IdentifiedRow {
            submission_id: id,
            pseudonym: id,
            study_id: "ONC-301".into(),
            site_id: "H001".into(),
            instrument: "phq-9|1.0".into(),
            answered_at: OffsetDateTime::UNIX_EPOCH,
            sent_at: None,
            received_at: OffsetDateTime::UNIX_EPOCH,
            late: false,
            amends: None,
            content_version: 1,
            content_hash: [content; 32],
            body_sha256: [content; 32],
            sealed: Bytes::new(),
            subject_sealed: Vec::new(),
            pseudonym_key_id: "p1".into(),
        },
        research: ResearchRow {
            answered_at: None,
            answered_year: 1970,
            answers: "[]".into(),
            scores: "[]".into(),
            checks: "[]".into(),
            profile: "safe_harbor",
        },
        delivery_site: None,
        risk: false,
        alerts: Vec::new(),
        audit: AuditFacts::by(Actor::Unknown).into(),
        source: Source {
            lane: "submissions",
            queue: "epro.submissions.routine".into(),
            message_id: id,
            headers: HeadersForRedrive::new(|| Value::Null),
            waited: None,
        },
    }
}

fn places<'a>(chunk: &'a [NewSubmission], of: &[&'a NewSubmission]) -> Vec<Option<usize>> {
    of.iter().map(|one| chunk.iter().position(|other| std::ptr::eq(*one, other))).collect()
}

#[test]
fn a_chunk_of_different_originals_is_tried_whole_and_inserted_in_the_order_of_its_keys() {
    let chunk = [3, 1, 2].map(|id| submission(id, 0));
    for plan in [Plan::of_different_originals(&chunk).unwrap(), Plan::of_any(&chunk)] {
        assert_eq!(plan.candidate_of, [0, 1, 2]);
        assert_eq!(places(&chunk, &plan.candidates), [Some(0), Some(1), Some(2)]);
        assert_eq!(places(&chunk, &plan.originals), [Some(1), Some(2), Some(0)]);
        assert!(plan.waves.is_empty());
    }
}

#[test]
fn a_copy_shares_the_fate_of_the_first_and_other_content_of_its_identity_comes_behind_it() {
    let chunk = [(2, 7), (1, 0), (2, 7), (2, 5)].map(|(id, content)| submission(id, content));
    assert!(Plan::of_different_originals(&chunk).is_none());
    let plan = Plan::of(&chunk);
    assert_eq!(plan.candidate_of, [0, 1, 0, 2]);
    assert_eq!(places(&chunk, &plan.originals), [Some(1), Some(0), Some(3)]);
}

#[test]
fn an_amendment_goes_in_a_wave_of_its_own() {
    let mut chunk = [2, 1].map(|id| submission(id, 0));
    chunk[0].identified.amends = Some(chunk[1].identified.submission_id);
    assert!(Plan::of_different_originals(&chunk).is_none());
    let plan = Plan::of(&chunk);
    assert_eq!(places(&chunk, &plan.originals), [Some(1)]);
    assert_eq!(plan.waves.len(), 1);
    assert_eq!(places(&chunk, &plan.waves[0]), [Some(0)]);
}
