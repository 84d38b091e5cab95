//! The store's INSERTs, word for word; a test compares them with the store's source.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::Result;
use futures_util::future::try_join_all;
use time::OffsetDateTime;
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::rows::Row;
use crate::database::Link;

pub(super) const SUBJECTS: &str = "\
INSERT INTO identified.subject (pseudonym, study_id, pseudonym_key_id, subject_sealed) \
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[]) ON CONFLICT DO NOTHING";

pub(super) const SUBMISSIONS: &str = "\
INSERT INTO identified.submission (submission_id, pseudonym, study_id, site_id, instrument, \
answered_at, answered_offset_s, sent_at, received_at, late, amends, content_version, \
content_hash, body_sha256, message_id, sealed) \
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], \
$6::timestamptz[], $7::integer[], $8::timestamptz[], $9::timestamptz[], $10::boolean[], \
$11::uuid[], $12::smallint[], $13::bytea[], $14::bytea[], $15::uuid[], $16::bytea[]) \
AS new (submission_id, pseudonym, study_id, site_id, instrument, answered_at, \
answered_offset_s, sent_at, received_at, late, amends, content_version, content_hash, \
body_sha256, message_id, sealed) ";

/// The end of [`SUBMISSIONS`]: the store's macro has a condition for amendments between the two.
pub(super) const RETURNING: &str =
    " ON CONFLICT DO NOTHING RETURNING submission_id, pseudonym, content_version, content_hash";

pub(super) const RESEARCH: &str = "\
INSERT INTO research.submission (submission_id, pseudonym, study_id, site_id, instrument, answered_at, \
    answered_year, late, amends, profile, answers, scores, checks) \
SELECT n.submission_id, n.pseudonym, n.study_id, n.site_id, n.instrument, n.answered_at, \
    n.answered_year, n.late, n.amends, n.profile, n.answers::jsonb, n.scores::jsonb, n.checks::jsonb \
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], \
    $7::smallint[], $8::boolean[], $9::uuid[], $10::text[], $11::text[], $12::text[], $13::text[]) \
    AS n (submission_id, pseudonym, study_id, site_id, instrument, answered_at, answered_year, late, \
    amends, profile, answers, scores, checks) ON CONFLICT DO NOTHING";

pub(super) const DELIVERIES: &str = "\
INSERT INTO ops.delivery (submission_id, pseudonym, site_id) \
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[]) ON CONFLICT DO NOTHING";

pub(super) const APPEND: &str = "\
INSERT INTO audit.event (writer, seq, at, action, outcome, actor, client, from_network, submission_id, \
    pseudonym, site_id, study_id, body_sha256, received_at, details, trace_id, prev_hash, hash) \
SELECT $1::uuid, e.seq, $2::timestamptz, e.action, e.outcome, e.actor, e.client, e.from_network, \
    e.submission_id, e.pseudonym, e.site_id, e.study_id, e.body_sha256, e.received_at, e.details::json, \
    e.trace_id, e.prev_hash, e.hash \
FROM unnest($3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::uuid[], \
    $10::uuid[], $11::text[], $12::text[], $13::bytea[], $14::timestamptz[], $15::text[], $16::text[], \
    $17::bytea[], $18::bytea[]) \
    AS e (seq, action, outcome, actor, client, from_network, submission_id, pseudonym, site_id, study_id, \
    body_sha256, received_at, details, trace_id, prev_hash, hash)";

/// A connection that inserts, its statements prepared.
pub(super) struct Inserter {
    link: Link,
    subjects: Statement,
    submissions: Statement,
    research: Statement,
    deliveries: Statement,
    append: Statement,
    writer: Uuid,
    seq: Arc<AtomicI64>,
}

impl Inserter {
    pub(super) async fn open(url: &str) -> Result<Self> {
        let link = Link::open(url).await?;
        let submissions = format!("{SUBMISSIONS}{RETURNING}");
        Ok(Self {
            subjects: link.client.prepare(SUBJECTS).await?,
            submissions: link.client.prepare(&submissions).await?,
            research: link.client.prepare(RESEARCH).await?,
            deliveries: link.client.prepare(DELIVERIES).await?,
            append: link.client.prepare(APPEND).await?,
            writer: Uuid::now_v7(),
            seq: Arc::default(),
            link,
        })
    }

    /// One transaction in one round trip: what is sent is all that the store sends to write rows.
    pub(super) async fn insert(&self, rows: &[&Row]) -> Result<()> {
        let subjects = Columns::subjects(rows);
        let submissions = Columns::submissions(rows);
        let research = Columns::research(rows);
        let deliveries = Columns::deliveries(rows);
        let first = self.seq.fetch_add(i64::try_from(rows.len())?, Ordering::Relaxed);
        let append = Columns::append(rows, self.writer, first);
        let client = &self.link.client;
        // Each future sends its statement when it is first polled: all of them leave in this order.
        let mut sends = vec![
            (&self.subjects, subjects.references()),
            (&self.submissions, submissions.references()),
            (&self.research, research.references()),
        ];
        if rows.iter().any(|row| row.delivery_site.is_some()) {
            sends.push((&self.deliveries, deliveries.references()));
        }
        sends.push((&self.append, append.references()));
        let all = sends.iter().map(|(statement, parameters)| client.query(*statement, parameters));
        let (begin, commit) = (client.batch_execute("BEGIN"), client.batch_execute("COMMIT"));
        futures_util::try_join!(begin, try_join_all(all), commit)?;
        Ok(())
    }
}

/// Parameters of one statement.
struct Columns<'r>(Vec<Box<dyn ToSql + Sync + Send + 'r>>);

impl<'r> Columns<'r> {
    fn references(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.0.iter().map(|column| column.as_ref() as &(dyn ToSql + Sync)).collect()
    }

    fn with<T: ToSql + Sync + Send + 'r>(mut self, value: T) -> Self {
        self.0.push(Box::new(value));
        self
    }

    fn each<T: ToSql + Sync + Send + 'r>(self, rows: &[&'r Row], value: impl Fn(&'r Row) -> T) -> Self {
        self.with(rows.iter().map(|row| value(row)).collect::<Vec<T>>())
    }

    fn subjects(rows: &[&'r Row]) -> Self {
        let mut rows = rows.to_vec();
        rows.sort_by_key(|row| row.pseudonym);
        rows.dedup_by_key(|row| row.pseudonym);
        Self(Vec::new())
            .each(&rows, |r| r.pseudonym)
            .each(&rows, |r| r.study_id.as_str())
            .each(&rows, |r| r.pseudonym_key_id.as_str())
            .each(&rows, |r| r.subject_sealed.as_slice())
    }

    fn submissions(rows: &[&'r Row]) -> Self {
        Self(Vec::new())
            .each(rows, |r| r.submission_id)
            .each(rows, |r| r.pseudonym)
            .each(rows, |r| r.study_id.as_str())
            .each(rows, |r| r.site_id.as_str())
            .each(rows, |r| r.instrument.as_str())
            .each(rows, |r| r.answered_at)
            .each(rows, |r| r.answered_offset_s)
            .each(rows, |r| r.sent_at)
            .each(rows, |r| r.received_at)
            .each(rows, |r| r.late)
            .each(rows, |r| r.amends)
            .each(rows, |r| r.content_version)
            .each(rows, |r| r.content_hash.as_slice())
            .each(rows, |r| r.body_sha256.as_slice())
            .each(rows, |r| r.message_id)
            .each(rows, |r| r.sealed.as_slice())
    }

    fn research(rows: &[&'r Row]) -> Self {
        Self(Vec::new())
            .each(rows, |r| r.submission_id)
            .each(rows, |r| r.pseudonym)
            .each(rows, |r| r.study_id.as_str())
            .each(rows, |r| r.site_id.as_str())
            .each(rows, |r| r.instrument.as_str())
            .each(rows, |r| r.research_answered_at)
            .each(rows, |r| r.answered_year)
            .each(rows, |r| r.late)
            .each(rows, |r| r.amends)
            .each(rows, |r| r.profile.as_str())
            .each(rows, |r| r.answers.as_str())
            .each(rows, |r| r.scores.as_str())
            .each(rows, |r| r.checks.as_str())
    }

    fn deliveries(rows: &[&'r Row]) -> Self {
        let some: Vec<&Row> = rows.iter().copied().filter(|row| row.delivery_site.is_some()).collect();
        Self(Vec::new())
            .each(&some, |r| r.submission_id)
            .each(&some, |r| r.pseudonym)
            .each(&some, |r| r.delivery_site.as_deref())
    }

    fn append(rows: &[&'r Row], writer: Uuid, first: i64) -> Self {
        let numbers: Vec<i64> = (1..=rows.len() as i64).map(|place| first + place).collect();
        Self(Vec::new())
            .with(writer)
            .with(OffsetDateTime::now_utc())
            .with(numbers)
            .each(rows, |r| r.action.as_str())
            .each(rows, |r| r.outcome.as_str())
            .each(rows, |r| r.actor.as_str())
            .each(rows, |r| r.client.as_deref())
            .each(rows, |r| r.from_network.as_deref())
            .each(rows, |r| r.submission_id)
            .each(rows, |r| r.pseudonym)
            .each(rows, |r| r.site_id.as_str())
            .each(rows, |r| r.study_id.as_str())
            .each(rows, |r| r.body_sha256.as_slice())
            .each(rows, |r| r.received_at)
            .each(rows, |r| r.details.as_deref())
            .each(rows, |r| r.trace_id.as_deref())
            .each(rows, |r| r.prev_hash.as_slice())
            .each(rows, |r| r.hash.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source or statement without what only separates words or pieces of a literal.
    fn bare(text: &str) -> String {
        text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '"' | '\\' | ',')).collect()
    }

    #[test]
    fn the_bare_loop_runs_the_statements_of_the_store() {
        let rows = bare(include_str!("../../../store/src/submissions/rows.rs"));
        let chain = bare(include_str!("../../../store/src/audit/chain.rs"));
        for (sql, source) in [
            (SUBJECTS, &rows),
            (SUBMISSIONS, &rows),
            (RETURNING, &rows),
            (RESEARCH, &rows),
            (DELIVERIES, &rows),
            (APPEND, &chain),
        ] {
            assert!(source.contains(&bare(sql)), "the store runs another statement now than:\n{sql}");
        }
    }
}
