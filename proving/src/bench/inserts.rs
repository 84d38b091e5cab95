//! The store's INSERTs for a chunk of new submissions, word for word; a test compares them with the store's source.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::{Context as _, Result};
use aws_lc_rs::digest::{SHA256, digest};
use time::OffsetDateTime;
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::bare_loop::Writes;
use super::rows::Row;
use crate::database::Link;

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

/// The same without the audit trail: no row of it is written, and no value is sent that only such a row has.
fn without_trail() -> Result<String> {
    let (before, event) = ALL.split_once(", event AS (").context("where the trail's rows are written")?;
    let (_, after) = event.split_once("FROM new) ").context("where that ends")?;
    Ok(format!("{before} {after}")
        .replace(", $26::text[], $27::text[], $28::text[], $29::text[], $30::bytea[], $31::bytea[])", ")")
        .replace(", actor, client, from_network, trace_id, prev_hash, hash, place)", ", place)")
        .replace("$37", "$26"))
}

/// About what the worker hashes of a row of the trail.
fn hash(row: &Row, buffer: &mut Vec<u8>) {
    buffer.clear();
    let texts =
        [&row.client, &row.from_network, &row.trace_id].map(|text| text.as_deref().unwrap_or_default());
    for text in [row.actor.as_str(), row.site_id.as_str(), row.study_id.as_str()].into_iter().chain(texts) {
        buffer.extend_from_slice(text.as_bytes());
    }
    for id in [row.submission_id, row.pseudonym] {
        buffer.extend_from_slice(id.as_bytes());
    }
    buffer.extend_from_slice(&row.body_sha256);
    buffer.extend_from_slice(&row.prev_hash);
    std::hint::black_box(digest(&SHA256, buffer));
}

/// A connection that inserts, its statement prepared.
pub(super) struct Inserter {
    link: Link,
    statement: Statement,
    writes: Writes,
    writer: Uuid,
    seq: Arc<AtomicI64>,
}

impl Inserter {
    pub(super) async fn open(url: &str, writes: Writes) -> Result<Self> {
        let link = Link::open(url).await?;
        let statement = match writes {
            Writes::Rows | Writes::RowsAndHashes => link.client.prepare(ALL).await?,
            Writes::NoTrail => link.client.prepare(&without_trail()?).await?,
        };
        Ok(Self { statement, writes, writer: Uuid::now_v7(), seq: Arc::default(), link })
    }

    /// One transaction in one round trip: what is sent is all that the store sends to write rows that are new.
    pub(super) async fn insert(&self, rows: &[&Row]) -> Result<()> {
        let count = i64::try_from(rows.len())?;
        let before = self.seq.fetch_add(count, Ordering::Relaxed);
        if self.writes == Writes::RowsAndHashes {
            let mut buffer = Vec::with_capacity(512);
            rows.iter().for_each(|row| hash(row, &mut buffer));
        }
        let values = Values(Vec::new()).submissions(rows);
        let values = match self.writes {
            Writes::NoTrail => values,
            Writes::Rows | Writes::RowsAndHashes => values.events(rows, self.writer, before),
        };
        self.link.client.query(&self.statement, &values.with(count).references()).await?;
        Ok(())
    }
}

/// Parameters of the statement.
struct Values<'r>(Vec<Box<dyn ToSql + Sync + Send + 'r>>);

impl<'r> Values<'r> {
    fn references(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.0.iter().map(|value| value.as_ref() as &(dyn ToSql + Sync)).collect()
    }

    fn with<T: ToSql + Sync + Send + 'r>(mut self, value: T) -> Self {
        self.0.push(Box::new(value));
        self
    }

    fn each<T: ToSql + Sync + Send + 'r>(self, rows: &[&'r Row], value: impl Fn(&'r Row) -> T) -> Self {
        self.with(rows.iter().map(|row| value(row)).collect::<Vec<T>>())
    }

    fn submissions(self, rows: &[&'r Row]) -> Self {
        self.each(rows, |r| r.submission_id)
            .each(rows, |r| r.pseudonym)
            .each(rows, |r| r.study_id.as_str())
            .each(rows, |r| r.site_id.as_str())
            .each(rows, |r| r.instrument.as_str())
            .each(rows, |r| r.answered_at)
            .each(rows, |r| r.answered_offset_s)
            .each(rows, |r| r.sent_at)
            .each(rows, |r| r.received_at)
            .each(rows, |r| r.late)
            .each(rows, |r| r.content_version)
            .each(rows, |r| r.content_hash.as_slice())
            .each(rows, |r| r.body_sha256.as_slice())
            .each(rows, |r| r.message_id)
            .each(rows, |r| r.sealed.as_slice())
            .each(rows, |r| r.pseudonym_key_id.as_str())
            .each(rows, |r| r.subject_sealed.as_slice())
            .each(rows, |r| r.research_answered_at)
            .each(rows, |r| r.answered_year)
            .each(rows, |r| r.profile.as_str())
            .each(rows, |r| r.answers.as_str())
            .each(rows, |r| r.scores.as_str())
            .each(rows, |r| r.checks.as_str())
            .each(rows, |r| r.delivery_site.as_deref())
            .each(rows, |_| false)
    }

    fn events(self, rows: &[&'r Row], writer: Uuid, before: i64) -> Self {
        self.each(rows, |r| r.actor.as_str())
            .each(rows, |r| r.client.as_deref())
            .each(rows, |r| r.from_network.as_deref())
            .each(rows, |r| r.trace_id.as_deref())
            .each(rows, |r| r.prev_hash.as_slice())
            .each(rows, |r| r.hash.as_slice())
            .with(writer)
            .with(before)
            .with(OffsetDateTime::now_utc())
            .with("submission.stored")
            .with("ok")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_the_trail_nothing_of_it_is_written_or_sent_and_all_else_is() {
        let statement = without_trail().unwrap();
        for word in ["audit", "event", "actor", "trace_id", "prev_hash", "$27"] {
            assert!(!statement.contains(word), "{word}: {statement}");
        }
        assert_eq!(statement.matches("INSERT INTO").count(), ALL.matches("INSERT INTO").count() - 1);
        assert!(
            statement
                .ends_with(") SELECT identified.all_new((SELECT count(*) FROM submission), $26::bigint)")
        );
        assert!(statement.contains("$25::boolean[]) WITH ORDINALITY"), "{statement}");
        assert!(statement.contains("delivery_site, risk, place)), subject AS"), "{statement}");
    }

    #[test]
    fn the_bare_loop_runs_the_statement_of_the_store() {
        let store = include_str!("../../../store/src/submissions/at_once.rs");
        let written = include_str!("inserts.rs");
        let statement = |source: &'static str| source.split("const ALL").nth(1)?.split("\";\n").next();
        let (ours, stores) = (statement(written), statement(store));
        assert!(ours.is_some_and(|ours| ours.len() > 1000));
        assert_eq!(ours, stores, "the store runs another statement now");
    }
}
