//! A chunk of nothing but new submissions, which is nearly every chunk, in one statement: one round trip
//! instead of three, and a value that several tables hold is sent once.
//!
//! The statement writes all rows or, if a submission turns out to be there already, none; then the chunk is
//! written step by step, with a verdict for each.

use super::plan::Plan;
use super::writing::{delivery_of, record, risk_of};
use super::{Committed, NewSubmission, Outcome};
use crate::audit::{AuditChain, Entries};
use crate::error::StoreError;
use crate::pool::Store;
use crate::session::Session;
use crate::step::Step;
use std::sync::atomic::{AtomicU32, Ordering};

/// What `identified.all_new` raises.
const NOT_ALL_NEW: &str = "EP001";

/// Subjects come before submissions, as in a chunk written step by step, so that two transactions wait for
/// each other in one direction only: the condition asks for the first before it lets the second begin.
const ALL: &str = "\
WITH new AS MATERIALIZED (SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], \
    $6::timestamptz[], $7::integer[], $8::timestamptz[], $9::timestamptz[], $10::boolean[], $11::smallint[], \
    $12::bytea[], $13::bytea[], $14::uuid[], $15::bytea[], $16::text[], $17::bytea[], $18::timestamptz[], \
    $19::smallint[], $20::text[], $21::text[], $22::text[], $23::text[], $24::text[], $25::boolean[], \
    $26::text[], $27::text[], $28::text[], $29::text[], $30::bytea[], $31::bytea[]) WITH ORDINALITY \
    AS new (submission_id, pseudonym, study_id, site_id, instrument, answered_at, answered_offset_s, sent_at, \
    received_at, late, content_version, content_hash, body_sha256, message_id, sealed, pseudonym_key_id, \
    subject_sealed, shown_at, answered_year, profile, answers, scores, checks, delivery_site, risk, actor, \
    client, from_network, trace_id, prev_hash, hash, place)), \
subject AS (INSERT INTO identified.subject (pseudonym, study_id, pseudonym_key_id, subject_sealed) \
    SELECT pseudonym, study_id, pseudonym_key_id, subject_sealed FROM new ORDER BY pseudonym \
    ON CONFLICT DO NOTHING RETURNING 1), \
submission AS (INSERT INTO identified.submission (submission_id, pseudonym, study_id, site_id, instrument, \
    answered_at, answered_offset_s, sent_at, received_at, late, content_version, content_hash, body_sha256, \
    message_id, sealed) \
    SELECT submission_id, pseudonym, study_id, site_id, instrument, answered_at, answered_offset_s, sent_at, \
    received_at, late, content_version, content_hash, body_sha256, message_id, sealed \
    FROM new WHERE (SELECT count(*) FROM subject) >= 0 ON CONFLICT DO NOTHING RETURNING 1), \
research AS (INSERT INTO research.submission (submission_id, pseudonym, study_id, site_id, instrument, \
    answered_at, answered_year, late, profile, answers, scores, checks) \
    SELECT submission_id, pseudonym, study_id, site_id, instrument, shown_at, answered_year, late, profile, \
    answers::jsonb, scores::jsonb, checks::jsonb FROM new ON CONFLICT DO NOTHING), \
delivery AS (INSERT INTO ops.delivery (submission_id, pseudonym, site_id) \
    SELECT submission_id, pseudonym, delivery_site FROM new WHERE delivery_site IS NOT NULL \
    ON CONFLICT DO NOTHING), \
risk AS (INSERT INTO ops.risk (submission_id, pseudonym, study_id) \
    SELECT submission_id, pseudonym, study_id FROM new WHERE risk ON CONFLICT DO NOTHING), \
event AS (INSERT INTO audit.event (writer, seq, at, action, outcome, actor, client, from_network, \
    submission_id, pseudonym, site_id, study_id, body_sha256, received_at, trace_id, prev_hash, hash) \
    SELECT $32::uuid, $33::bigint + place, $34::timestamptz, $35::text, $36::text, actor, client, from_network, \
    submission_id, pseudonym, site_id, study_id, body_sha256, received_at, trace_id, prev_hash, hash FROM new) \
SELECT identified.all_new((SELECT count(*) FROM submission), $37::bigint)";

/// More than the columns of a row take whose lengths hardly differ, lengths included: ids, hashes, times, names.
const SHORT: usize = 640;

const STORED: (&str, &str) = ("submission.stored", "ok");

/// Whether to try. Where a chunk wasn't all new, the next ones may not be either: after a crash, or where
/// apps send again what they had no answer to.
#[derive(Debug, Default)]
pub(crate) struct Doubt(AtomicU32);

impl Doubt {
    /// So many chunks are written step by step after one that wasn't all new.
    const CHUNKS: u32 = 16;

    fn holds(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    fn rises(&self) {
        self.0.store(Self::CHUNKS, Ordering::Relaxed);
    }
}

/// Commits the chunk if all of it is new; `None` if it is to be written step by step.
pub(super) async fn commit(
    store: &Store,
    chain: &mut AuditChain,
    plan: &Plan<'_>,
) -> Result<Option<Vec<Outcome>>, StoreError> {
    if !may_be_all_new(plan) || store.doubt.holds() {
        return Ok(None);
    }
    let Some(head) = chain.take_open_head() else {
        return Ok(None);
    };
    let records: Vec<_> = plan.originals.iter().map(|new| record(new, STORED.0, STORED.1)).collect();
    let entries = chain.entries(head, &records);
    match Session::at_once(store, statement(&plan.originals, &entries)).await {
        Ok(_) => {
            chain.give_head(entries.head());
            Ok(Some(outcomes(plan.chunk, &Committed::after_commit())))
        }
        Err(StoreError::Retry { sqlstate }) if sqlstate == NOT_ALL_NEW => {
            store.doubt.rises();
            chain.give_head(head);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Amendments look at their bases, and alerts at earlier ones; of two copies only one is new; what has waited says so
/// in the details of its audit row, which this statement doesn't write, and its starts are to be forgotten.
fn may_be_all_new(plan: &Plan<'_>) -> bool {
    plan.originals.len() == plan.chunk.len()
        && plan.chunk.iter().all(|new| new.alerts.is_empty() && new.source.waited.is_none())
}

fn statement<'p>(rows: &'p [&'p NewSubmission], entries: &'p Entries<'p>) -> Step<'p> {
    let step = Step::new(ALL)
        .with_room(room(rows), rows.iter().map(|r| r.identified.submission_id).collect::<Vec<_>>())
        .column(rows, |r| r.identified.pseudonym)
        .column(rows, |r| &*r.identified.study_id)
        .column(rows, |r| &*r.identified.site_id)
        .column(rows, |r| &*r.identified.instrument)
        .column(rows, |r| r.identified.answered_at)
        .column(rows, |r| r.identified.answered_at.offset().whole_seconds())
        .column(rows, |r| r.identified.sent_at)
        .column(rows, |r| r.identified.received_at)
        .column(rows, |r| r.identified.late)
        .column(rows, |r| r.identified.content_version)
        .column(rows, |r| r.identified.content_hash.as_slice())
        .column(rows, |r| r.identified.body_sha256.as_slice())
        .column(rows, |r| r.source.message_id)
        .column(rows, |r| &*r.identified.sealed)
        .column(rows, |r| &*r.identified.pseudonym_key_id)
        .column(rows, |r| r.identified.subject_sealed.as_slice())
        .column(rows, |r| r.research.answered_at)
        .column(rows, |r| r.research.answered_year)
        .column(rows, |r| r.research.profile)
        .column(rows, |r| r.research.answers.as_str())
        .column(rows, |r| r.research.scores.as_str())
        .column(rows, |r| r.research.checks.as_str())
        .column(rows, |r| r.delivery_site.as_deref())
        .column(rows, |r| r.risk);
    let step = entries.places(step);
    step.with(STORED.0).with(STORED.1).with(i64::try_from(rows.len()).unwrap_or(i64::MAX))
}

/// What the statement takes, and a little more.
fn room(rows: &[&NewSubmission]) -> usize {
    let of = |r: &&NewSubmission| {
        let (identified, research) = (&r.identified, &r.research);
        let sealed = identified.sealed.len() + identified.subject_sealed.len();
        SHORT + sealed + research.answers.len() + research.scores.len() + research.checks.len()
    };
    rows.iter().map(of).sum()
}

fn outcomes(chunk: &[NewSubmission], committed: &Committed) -> Vec<Outcome> {
    let stored = chunk.iter().map(|new| Outcome::Stored {
        receipt: committed.again(),
        follow_ons: delivery_of(new).into_iter().chain(risk_of(new)).collect(),
    });
    stored.collect()
}
