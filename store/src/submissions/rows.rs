//! The statements that insert a chunk's rows: one `unnest` a table, sorted by key.

use super::plan::Plan;
use super::{AlertRow, NewSubmission};
use crate::step::Step;
use uuid::Uuid;

const SUBJECTS: &str = "\
INSERT INTO identified.subject (pseudonym, study_id, pseudonym_key_id, subject_sealed) \
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[]) ON CONFLICT DO NOTHING";

macro_rules! submissions {
    ($where:literal) => {
        concat!(
            "INSERT INTO identified.submission (submission_id, pseudonym, study_id, site_id, instrument, ",
            "answered_at, answered_offset_s, sent_at, received_at, late, amends, content_version, ",
            "content_hash, body_sha256, message_id, sealed) ",
            "SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], ",
            "$6::timestamptz[], $7::integer[], $8::timestamptz[], $9::timestamptz[], $10::boolean[], ",
            "$11::uuid[], $12::smallint[], $13::bytea[], $14::bytea[], $15::uuid[], $16::bytea[]) ",
            "AS new (submission_id, pseudonym, study_id, site_id, instrument, answered_at, ",
            "answered_offset_s, sent_at, received_at, late, amends, content_version, content_hash, ",
            "body_sha256, message_id, sealed) ",
            $where,
            " ON CONFLICT DO NOTHING RETURNING submission_id, pseudonym, content_version, content_hash"
        )
    };
}

const ORIGINALS: &str = submissions!("");

/// Only where the base is there. The scalar subquery (rather than EXISTS) is looked up row by row in
/// the primary key, whatever the planner believes about a table that was empty a minute ago.
const AMENDMENTS: &str = submissions!(
    "WHERE (SELECT true FROM identified.submission base \
     WHERE base.submission_id = new.amends AND base.pseudonym = new.pseudonym LIMIT 1)"
);

const RESEARCH: &str = "\
INSERT INTO research.submission (submission_id, pseudonym, study_id, site_id, instrument, answered_at, \
    answered_year, late, amends, profile, answers, scores, checks) \
SELECT n.submission_id, n.pseudonym, n.study_id, n.site_id, n.instrument, n.answered_at, \
    n.answered_year, n.late, n.amends, n.profile, n.answers::jsonb, n.scores::jsonb, n.checks::jsonb \
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], \
    $7::smallint[], $8::boolean[], $9::uuid[], $10::text[], $11::text[], $12::text[], $13::text[]) \
    AS n (submission_id, pseudonym, study_id, site_id, instrument, answered_at, answered_year, late, \
    amends, profile, answers, scores, checks) ON CONFLICT DO NOTHING";

const RISKS: &str = "\
INSERT INTO ops.risk (submission_id, pseudonym, study_id) \
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[]) ON CONFLICT DO NOTHING";

const DELIVERIES: &str = "\
INSERT INTO ops.delivery (submission_id, pseudonym, site_id) \
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[]) ON CONFLICT DO NOTHING";

/// One that repeats another is done from the start. One that was written before its submission could be
/// opened or stored has the submission's id in place of the pseudonym, and learns whose it is.
pub(crate) const ALERTS: &str = "\
INSERT INTO ops.alert AS a (alert_id, submission_id, pseudonym, study_id, site_id, rule, severity, \
    received_at, repeats, state) \
SELECT n.*, CASE WHEN n.repeats IS NULL THEN 'queued' ELSE 'done' END \
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], \
    $8::timestamptz[], $9::uuid[]) \
    AS n (alert_id, submission_id, pseudonym, study_id, site_id, rule, severity, received_at, repeats) \
ON CONFLICT (alert_id) DO UPDATE SET pseudonym = excluded.pseudonym \
WHERE a.pseudonym = a.submission_id AND excluded.pseudonym <> a.pseudonym";

/// The first round trip: subjects, submissions, and amendments wave by wave. Every step but the
/// first returns what it inserted.
pub(super) fn identified<'p>(plan: &'p Plan<'p>) -> Vec<Step<'p>> {
    let mut steps = vec![subjects(plan)];
    if !plan.originals.is_empty() {
        steps.push(submissions(ORIGINALS, &plan.originals));
    }
    steps.extend(plan.waves.iter().map(|wave| submissions(AMENDMENTS, wave)));
    steps
}

fn subjects<'p>(plan: &'p Plan<'p>) -> Step<'p> {
    let mut rows: Vec<&'p NewSubmission> = plan.candidates.clone();
    rows.sort_by_key(|r| r.identified.pseudonym);
    rows.dedup_by_key(|r| r.identified.pseudonym);
    Step::new(SUBJECTS)
        .with(rows.iter().map(|r| r.identified.pseudonym).collect::<Vec<_>>())
        .with(rows.iter().map(|r| &*r.identified.study_id).collect::<Vec<_>>())
        .with(rows.iter().map(|r| &*r.identified.pseudonym_key_id).collect::<Vec<_>>())
        .with(rows.iter().map(|r| r.identified.subject_sealed.as_slice()).collect::<Vec<_>>())
}

fn submissions<'p>(sql: &'static str, rows: &'p [&'p NewSubmission]) -> Step<'p> {
    Step::new(sql)
        .column(rows, |r| r.identified.submission_id)
        .column(rows, |r| r.identified.pseudonym)
        .column(rows, |r| &*r.identified.study_id)
        .column(rows, |r| &*r.identified.site_id)
        .column(rows, |r| &*r.identified.instrument)
        .column(rows, |r| r.identified.answered_at)
        .column(rows, |r| r.identified.answered_at.offset().whole_seconds())
        .column(rows, |r| r.identified.sent_at)
        .column(rows, |r| r.identified.received_at)
        .column(rows, |r| r.identified.late)
        .column(rows, |r| r.identified.amends)
        .column(rows, |r| r.identified.content_version)
        .column(rows, |r| r.identified.content_hash.as_slice())
        .column(rows, |r| r.identified.body_sha256.as_slice())
        .column(rows, |r| r.source.message_id)
        .column(rows, |r| &*r.identified.sealed)
}

pub(super) fn research<'p>(rows: &'p [&'p NewSubmission]) -> Step<'p> {
    Step::new(RESEARCH)
        .column(rows, |r| r.identified.submission_id)
        .column(rows, |r| r.identified.pseudonym)
        .column(rows, |r| &*r.identified.study_id)
        .column(rows, |r| &*r.identified.site_id)
        .column(rows, |r| &*r.identified.instrument)
        .column(rows, |r| r.research.answered_at)
        .column(rows, |r| r.research.answered_year)
        .column(rows, |r| r.identified.late)
        .column(rows, |r| r.identified.amends)
        .column(rows, |r| r.research.profile)
        .column(rows, |r| r.research.answers.as_str())
        .column(rows, |r| r.research.scores.as_str())
        .column(rows, |r| r.research.checks.as_str())
}

pub(super) fn deliveries<'p>(rows: &'p [(&'p NewSubmission, &'p str)]) -> Step<'p> {
    Step::new(DELIVERIES)
        .column(rows, |(r, _)| r.identified.submission_id)
        .column(rows, |(r, _)| r.identified.pseudonym)
        .column(rows, |(_, site)| *site)
}

pub(super) fn risks<'p>(rows: &'p [&'p NewSubmission]) -> Step<'p> {
    Step::new(RISKS)
        .column(rows, |r| r.identified.submission_id)
        .column(rows, |r| r.identified.pseudonym)
        .column(rows, |r| &*r.identified.study_id)
}

/// Each with the alert that it repeats.
pub(super) fn alerts<'p>(
    rows: &'p [(&'p NewSubmission, &'p AlertRow)],
    repeats: Vec<Option<Uuid>>,
) -> Step<'p> {
    Step::new(ALERTS)
        .column(rows, |(_, alert)| alert.alert_id)
        .column(rows, |(r, _)| r.identified.submission_id)
        .column(rows, |(r, _)| r.identified.pseudonym)
        .column(rows, |(r, _)| &*r.identified.study_id)
        .column(rows, |(r, _)| &*r.identified.site_id)
        .column(rows, |(_, alert)| alert.rule.as_str())
        .column(rows, |(_, alert)| alert.severity.as_str())
        .column(rows, |(r, _)| r.identified.received_at)
        .with(repeats)
}
