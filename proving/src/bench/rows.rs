//! The rows that the worker wrote for given messages: the bare loop writes the very same ones.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::database::Link;

/// All rows of one submission, ready to be bound.
pub struct Row {
    pub(super) submission_id: Uuid,
    pub(super) pseudonym: Uuid,
    pub(super) study_id: String,
    pub(super) site_id: String,
    pub(super) instrument: String,
    pub(super) answered_at: OffsetDateTime,
    pub(super) answered_offset_s: i32,
    pub(super) sent_at: Option<OffsetDateTime>,
    pub(super) received_at: OffsetDateTime,
    pub(super) late: bool,
    pub(super) content_version: i16,
    pub(super) content_hash: Vec<u8>,
    pub(super) body_sha256: Vec<u8>,
    pub(super) message_id: Uuid,
    pub(super) sealed: Vec<u8>,
    pub(super) pseudonym_key_id: String,
    pub(super) subject_sealed: Vec<u8>,
    pub(super) research_answered_at: Option<OffsetDateTime>,
    pub(super) answered_year: i16,
    pub(super) profile: String,
    pub(super) answers: String,
    pub(super) scores: String,
    pub(super) checks: String,
    pub(super) delivery_site: Option<String>,
    pub(super) actor: String,
    pub(super) client: Option<String>,
    pub(super) from_network: Option<String>,
    pub(super) trace_id: Option<String>,
    pub(super) prev_hash: Vec<u8>,
    pub(super) hash: Vec<u8>,
}

/// Rows by message id.
pub type Rows = HashMap<Uuid, Row>;

/// Reads what is in the tables; an error unless there are exactly `count` submissions, each whole.
pub async fn read(link: &Link, count: usize) -> Result<Rows> {
    let sql = "SELECT s.*, k.pseudonym_key_id, k.subject_sealed, r.answered_at AS research_answered_at,
            r.answered_year, r.profile, r.answers::text AS answers, r.scores::text AS scores,
            r.checks::text AS checks, d.site_id AS delivery_site, e.actor, e.client, e.from_network, e.trace_id,
            e.prev_hash, e.hash
        FROM identified.submission s
        JOIN identified.subject k USING (pseudonym)
        JOIN research.submission r USING (submission_id, pseudonym)
        JOIN audit.event e ON e.submission_id = s.submission_id AND e.action = 'submission.stored'
        LEFT JOIN ops.delivery d ON d.submission_id = s.submission_id AND d.pseudonym = s.pseudonym";
    let found = link.client.query(sql, &[]).await.context("read the worker's rows")?;
    let rows: Rows = found.iter().map(|row| (row.get("message_id"), one(row))).collect();
    ensure!(rows.len() == count, "the worker left {} whole submissions, not {count}", rows.len());
    Ok(rows)
}

fn one(row: &tokio_postgres::Row) -> Row {
    Row {
        submission_id: row.get("submission_id"),
        pseudonym: row.get("pseudonym"),
        study_id: row.get("study_id"),
        site_id: row.get("site_id"),
        instrument: row.get("instrument"),
        answered_at: row.get("answered_at"),
        answered_offset_s: row.get("answered_offset_s"),
        sent_at: row.get("sent_at"),
        received_at: row.get("received_at"),
        late: row.get("late"),
        content_version: row.get("content_version"),
        content_hash: row.get("content_hash"),
        body_sha256: row.get("body_sha256"),
        message_id: row.get("message_id"),
        sealed: row.get("sealed"),
        pseudonym_key_id: row.get("pseudonym_key_id"),
        subject_sealed: row.get("subject_sealed"),
        research_answered_at: row.get("research_answered_at"),
        answered_year: row.get("answered_year"),
        profile: row.get("profile"),
        answers: row.get("answers"),
        scores: row.get("scores"),
        checks: row.get("checks"),
        delivery_site: row.get("delivery_site"),
        actor: row.get("actor"),
        client: row.get("client"),
        from_network: row.get("from_network"),
        trace_id: row.get("trace_id"),
        prev_hash: row.get("prev_hash"),
        hash: row.get("hash"),
    }
}
