//! Submissions as the worker's last stage makes them.

use epro_store::audit::{Actor, AuditFacts};
use epro_store::submissions::{
    AlertRow, HeadersForRedrive, IdentifiedRow, NewSubmission, Outcome, ResearchRow, Source,
};
use serde_json::json;
use time::macros::datetime;
use uuid::Uuid;

/// A submission of PHQ-9 that nobody else sent, of a subject that nobody else is.
pub(crate) fn submission() -> NewSubmission {
    let submission_id = Uuid::now_v7();
    let pseudonym = Uuid::new_v4();
    let message_id = Uuid::now_v7();
    let answers: Vec<_> =
        (0..9).map(|n| json!({"link_id": format!("4425{n}-9"), "code": "LA6569-3", "score": 1})).collect();
    NewSubmission {
        identified: IdentifiedRow {
            submission_id,
            pseudonym,
            study_id: "ONC-301".into(),
            site_id: "H001".into(),
            instrument: "phq-9|1.0".into(),
            answered_at: datetime!(2026-11-23 20:03:11.123456789 +8),
            sent_at: Some(datetime!(2026-11-23 12:03:12 UTC)),
            received_at: datetime!(2026-11-23 12:03:13.987654321 UTC),
            late: false,
            amends: None,
            content_version: 1,
            content_hash: hash(submission_id, "content"),
            body_sha256: hash(submission_id, "body"),
            sealed: vec![7; 1_800].into(),
            subject_sealed: vec![9; 90],
            pseudonym_key_id: "p1".into(),
        },
        research: ResearchRow {
            answered_at: Some(datetime!(2026-11-23 20:03:11 +8)),
            answered_year: 2026,
            answers: json!(answers).to_string(),
            scores: json!([{"id": "total", "code": "44261-6", "value": 9, "band": "mild", "missing": 0}])
                .to_string(),
            checks: "[]".into(),
            profile: "limited_data_set",
        },
        delivery_site: Some("H001".into()),
        risk: false,
        alerts: Vec::new(),
        audit: AuditFacts {
            actor: Actor::Subject(pseudonym),
            client: Some("epro-app".into()),
            from_network: Some("192.0.2.0/24".into()),
            trace_id: Some("0af7651916cd43dd8448eb211c80319c".into()),
        }
        .into(),
        source: Source {
            lane: "submissions",
            queue: "epro.submissions.routine".into(),
            message_id,
            headers: HeadersForRedrive::new(|| json!({"epro-attempt": 1})),
            waited: None,
        },
    }
}

/// The same submission, sent once more: another message, other bytes, the same content.
pub(crate) fn sent_again(first: &NewSubmission) -> NewSubmission {
    let mut again = first.clone();
    again.source.message_id = Uuid::now_v7();
    again.identified.body_sha256 = hash(again.source.message_id, "body");
    again
}

/// The same identity with other content.
pub(crate) fn other_content(first: &NewSubmission) -> NewSubmission {
    let mut other = sent_again(first);
    other.identified.content_hash = hash(other.source.message_id, "content");
    other
}

/// An amendment of `base` by the same subject.
pub(crate) fn amendment(base: &NewSubmission) -> NewSubmission {
    let mut amendment = submission();
    amendment.identified.pseudonym = base.identified.pseudonym;
    amendment.identified.amends = Some(base.identified.submission_id);
    amendment
}

/// The submission with an alert.
pub(crate) fn alerting(mut submission: NewSubmission) -> NewSubmission {
    let row = &submission.identified;
    let alert_id = Uuid::from_u128(row.submission_id.as_u128() ^ row.pseudonym.as_u128());
    submission.alerts = vec![AlertRow { alert_id, rule: "item-9".into(), severity: "critical".into() }];
    submission
}

fn hash(of: Uuid, what: &str) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, format!("{of} {what}").as_bytes());
    digest.as_ref().try_into().unwrap()
}

/// One word for each outcome.
pub(crate) fn words(outcomes: &[Outcome]) -> Vec<&'static str> {
    outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Stored { .. } => "stored",
            Outcome::Duplicate { same_delivery: true, .. } => "same delivery",
            Outcome::Duplicate { same_delivery: false, .. } => "duplicate",
            Outcome::SetAside { class, .. } => class.as_str(),
            Outcome::BaseAbsent { .. } => "base absent",
        })
        .collect()
}

/// How many follow-ons each outcome asks to publish.
pub(crate) fn follow_ons(outcomes: &[Outcome]) -> Vec<usize> {
    outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Stored { follow_ons, .. }
            | Outcome::Duplicate { follow_ons, .. }
            | Outcome::SetAside { follow_ons, .. }
            | Outcome::BaseAbsent { follow_ons } => follow_ons.len(),
        })
        .collect()
}
