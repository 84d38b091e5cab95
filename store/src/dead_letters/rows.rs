//! The table `ops.dead_letter` and its rows.

use super::{Class, Counted, DeadLetter, DeadLetterRow, DeadLetterState, DeadLetterSummary, Filter};
use crate::audit::Actor;
use crate::error::StoreError;
use crate::step::Step;
use std::collections::HashMap;
use tokio_postgres::Row;
use uuid::Uuid;

/// A repeat counts and opens the row again: it was redriven, or discarded, and came back. A follow-on is redriven as
/// another message, and comes again in no other way: its repeat is another row, maybe before the first is marked.
const INSERT: &str = "\
INSERT INTO ops.dead_letter AS d (lane, queue, message_id, content_sha256, class, stage, detail, \
    submission_id, pseudonym, site_id, study_id, instrument, received_at, kind, headers, wrapped, body, times, \
    failed_again) \
SELECT n.lane, n.queue, n.message_id, n.content_sha256, n.class, n.stage, n.detail, n.submission_id, \
    n.pseudonym, n.site_id, n.study_id, n.instrument, n.received_at, n.kind, n.headers::jsonb, n.wrapped, \
    n.body, n.times, \
    EXISTS (SELECT FROM ops.dead_letter e WHERE e.submission_id = n.submission_id \
        AND (e.state = 'redriven' OR n.lane IN ('hospitals', 'risk')) \
        AND e.lane = n.lane AND e.class = n.class AND e.pseudonym IS NOT DISTINCT FROM n.pseudonym \
        AND e.stage IS NOT DISTINCT FROM n.stage AND e.detail IS NOT DISTINCT FROM n.detail) \
FROM unnest($1::text[], $2::text[], $3::uuid[], $4::bytea[], $5::text[], $6::text[], $7::text[], \
    $8::uuid[], $9::uuid[], $10::text[], $11::text[], $12::text[], $13::timestamptz[], $14::text[], \
    $15::text[], $16::boolean[], $17::bytea[], $18::integer[]) \
    AS n (lane, queue, message_id, content_sha256, class, stage, detail, submission_id, pseudonym, site_id, \
    study_id, instrument, received_at, kind, headers, wrapped, body, times) \
ON CONFLICT (lane, COALESCE(message_id, '00000000-0000-0000-0000-000000000000'), content_sha256, class) \
DO UPDATE SET times = d.times + excluded.times, last_at = now(), state = 'open', \
    failed_again = (d.failed_again OR d.state = 'redriven') \
        AND d.stage IS NOT DISTINCT FROM excluded.stage AND d.detail IS NOT DISTINCT FROM excluded.detail, \
    stage = excluded.stage, detail = excluded.detail, \
    settled_by = NULL, settled_at = NULL, settled_reason = NULL";

macro_rules! summary {
    ($rest:literal) => {
        concat!(
            "SELECT id, lane, queue, message_id, class, stage, detail, submission_id, site_id, study_id, ",
            "instrument, kind, times, failed_again, first_at, last_at, state, settled_by, settled_at, settled_reason",
            $rest
        )
    };
}

/// What [`narrowed`] fills in.
macro_rules! matching {
    () => {
        " ($1::text IS NULL OR lane = $1) AND ($2::text IS NULL OR queue = $2) \
         AND ($3::text IS NULL OR class = $3) AND ($4::text IS NULL OR site_id = $4) \
         AND ($5::text IS NULL OR study_id = $5) AND ($6::text IS NULL OR instrument = $6) \
         AND ($7::text IS NULL OR stage = $7) AND ($8::uuid IS NULL OR submission_id = $8) \
         AND ($9::text IS NULL OR state = $9) AND ($10::timestamptz IS NULL OR last_at >= $10) \
         AND ($11::timestamptz IS NULL OR last_at < $11) AND ($12::bigint[] IS NULL OR id = ANY ($12)) \
         AND ($13::text[] IS NULL OR study_id = ANY ($13)) AND ($14::text[] IS NULL OR site_id = ANY ($14)) "
    };
}
pub(crate) use matching;

const LIST: &str = concat!(
    summary!(" FROM ops.dead_letter WHERE"),
    matching!(),
    "AND ($15::bigint IS NULL OR id > $15) ORDER BY id LIMIT $16::bigint"
);

const COUNTS: &str = concat!(
    "SELECT class, queue, count(*) FROM (SELECT class, queue FROM ops.dead_letter WHERE",
    matching!(),
    "ORDER BY id LIMIT $15::bigint) AS found GROUP BY class, queue ORDER BY count(*) DESC, class, queue"
);

const SHOW: &str =
    summary!(", pseudonym, content_sha256, body, wrapped, headers FROM ops.dead_letter WHERE id = $1");

const LOCK: &str = "\
SELECT state, times, stage, detail, settled_at, submission_id, pseudonym, site_id, study_id \
FROM ops.dead_letter WHERE id = $1 FOR UPDATE";

const FAILED_AGAIN: &str = "UPDATE ops.dead_letter SET failed_again = true WHERE id = $1";

const SETTLE: &str = "\
UPDATE ops.dead_letter SET state = $2, settled_by = $3, settled_reason = $4, settled_at = clock_timestamp() \
WHERE id = $1";

const DISCARD: &str = "\
UPDATE ops.dead_letter SET state = 'discarded', settled_by = $2, settled_reason = $3, \
    settled_at = clock_timestamp() \
WHERE id = ANY ($1) AND state = 'open' RETURNING id, submission_id, pseudonym, site_id, study_id";

/// The key of a row.
type Key<'d> = (&'d str, Option<Uuid>, [u8; 32], &'static str);

/// Inserts what is given, if anything is; of several with one key the first, counted as many.
pub(crate) fn insert(dead_letters: &[DeadLetter]) -> Option<Step<'_>> {
    let mut keyed: HashMap<Key<'_>, (&DeadLetter, i32)> = HashMap::new();
    for letter in dead_letters {
        let key = (letter.lane.as_str(), letter.message_id, letter.content_sha256, letter.class.as_str());
        keyed.entry(key).or_insert((letter, 0)).1 += 1;
    }
    let mut keyed: Vec<(Key<'_>, (&DeadLetter, i32))> = keyed.into_iter().collect();
    keyed.sort_unstable_by_key(|(key, _)| *key);
    let letters: Vec<&DeadLetter> = keyed.iter().map(|(_, (letter, _))| *letter).collect();
    let times: Vec<i32> = keyed.iter().map(|(_, (_, times))| *times).collect();
    (!letters.is_empty()).then(|| columns(&letters).with(times))
}

fn columns<'d>(letters: &[&'d DeadLetter]) -> Step<'d> {
    fn each<'d, T>(letters: &[&'d DeadLetter], value: impl Fn(&'d DeadLetter) -> T) -> Vec<T> {
        letters.iter().map(|letter| value(letter)).collect()
    }
    Step::new(INSERT)
        .with(each(letters, |l| l.lane.as_str()))
        .with(each(letters, |l| l.queue.as_str()))
        .with(each(letters, |l| l.message_id))
        .with(each(letters, |l| l.content_sha256.as_slice()))
        .with(each(letters, |l| l.class.as_str()))
        .with(each(letters, |l| l.stage.as_deref()))
        .with(each(letters, |l| l.detail.as_deref()))
        .with(each(letters, |l| l.submission_id))
        .with(each(letters, |l| l.pseudonym))
        .with(each(letters, |l| l.site_id.as_deref()))
        .with(each(letters, |l| l.study_id.as_deref()))
        .with(each(letters, |l| l.instrument.as_deref()))
        .with(each(letters, |l| l.received_at))
        .with(each(letters, |l| l.kind.as_deref()))
        .with(each(letters, |l| l.headers.to_string()))
        .with(each(letters, |l| l.wrapped))
        .with(each(letters, |l| l.body.as_slice()))
}

/// The parameters of [`matching`].
pub(crate) fn narrowed<'f>(sql: &'static str, filter: &'f Filter) -> Step<'f> {
    Step::new(sql)
        .with(filter.lane.as_deref())
        .with(filter.queue.as_deref())
        .with(filter.class.map(Class::as_str))
        .with(filter.site_id.as_deref())
        .with(filter.study_id.as_deref())
        .with(filter.instrument.as_deref())
        .with(filter.stage.as_deref())
        .with(filter.submission_id)
        .with(filter.state.map(DeadLetterState::as_str))
        .with(filter.since)
        .with(filter.until)
        .with((!filter.ids.is_empty()).then_some(&filter.ids))
        .with(filter.bound.studies.as_deref())
        .with(filter.bound.sites.as_deref())
}

pub(super) fn list(filter: &Filter) -> Step<'_> {
    narrowed(LIST, filter).with(filter.after).with(i64::from(filter.limit.unwrap_or(100)))
}

pub(super) fn counts(filter: &Filter) -> Step<'_> {
    narrowed(COUNTS, filter).with(filter.limit.map(i64::from))
}

pub(super) fn count(row: &Row) -> Result<Counted, StoreError> {
    let class: &str = row.try_get(0)?;
    Ok(Counted {
        class: class.parse().map_err(|_| StoreError::internal())?,
        queue: row.try_get(1)?,
        count: row.try_get(2)?,
    })
}

pub(super) fn show(id: i64) -> Step<'static> {
    Step::new(SHOW).with(id)
}

pub(super) fn lock(id: i64) -> Step<'static> {
    Step::new(LOCK).with(id)
}

pub(super) fn failed_again(id: i64) -> Step<'static> {
    Step::new(FAILED_AGAIN).with(id)
}

pub(super) fn discard<'s>(ids: &'s [i64], by: &Actor, reason: &'s str) -> Step<'s> {
    Step::new(DISCARD).with(ids).with(by.to_string()).with(reason)
}

pub(super) fn settle<'s>(id: i64, state: DeadLetterState, by: &Actor, reason: &'s str) -> Step<'s> {
    Step::new(SETTLE).with(id).with(state.as_str()).with(by.to_string()).with(reason)
}

pub(super) fn state(row: &Row) -> Result<DeadLetterState, StoreError> {
    match row.try_get("state")? {
        "open" => Ok(DeadLetterState::Open),
        "redriven" => Ok(DeadLetterState::Redriven),
        "discarded" => Ok(DeadLetterState::Discarded),
        _ => Err(StoreError::internal()),
    }
}

pub(super) fn summary(row: &Row) -> Result<DeadLetterSummary, StoreError> {
    let class: &str = row.try_get("class")?;
    Ok(DeadLetterSummary {
        id: row.try_get("id")?,
        lane: row.try_get("lane")?,
        queue: row.try_get("queue")?,
        message_id: row.try_get("message_id")?,
        class: class.parse().map_err(|_| StoreError::internal())?,
        stage: row.try_get("stage")?,
        detail: row.try_get("detail")?,
        submission_id: row.try_get("submission_id")?,
        site_id: row.try_get("site_id")?,
        study_id: row.try_get("study_id")?,
        instrument: row.try_get("instrument")?,
        kind: row.try_get("kind")?,
        times: row.try_get("times")?,
        failed_again: row.try_get("failed_again")?,
        first_at: row.try_get("first_at")?,
        last_at: row.try_get("last_at")?,
        state: state(row)?,
        settled_by: row.try_get("settled_by")?,
        settled_at: row.try_get("settled_at")?,
        settled_reason: row.try_get("settled_reason")?,
    })
}

pub(super) fn whole(row: &Row) -> Result<DeadLetterRow, StoreError> {
    let hash: &[u8] = row.try_get("content_sha256")?;
    Ok(DeadLetterRow {
        summary: summary(row)?,
        content_sha256: hash.try_into().map_err(|_| StoreError::internal())?,
        body: row.try_get("body")?,
        wrapped: row.try_get("wrapped")?,
        headers: row.try_get("headers")?,
    })
}
