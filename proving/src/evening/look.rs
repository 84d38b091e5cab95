//! The evening's own look at the tables.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use uuid::Uuid;

use super::send::Gone;
use crate::database::Link;
use crate::sealed::Keys;
use crate::until;

/// Reads what became of lines, with SQL of its own.
pub(super) struct Looker {
    link: Link,
    keys: Keys,
}

/// A stored submission as the tables hold it.
pub(super) struct Row {
    pub(super) late: bool,
    pub(super) answered_seen: bool,
    pub(super) scores: Vec<Value>,
    pub(super) checks: Vec<Value>,
    pub(super) delivery: Option<String>,
    pub(super) received: Vec<u8>,
}

/// How many traces of given bytes there are, by kind.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traces {
    pub(super) stored: i64,
    pub(super) dead: i64,
    pub(super) duplicates: i64,
}

impl Looker {
    pub(super) fn new(link: Link, keys: Keys) -> Self {
        Self { link, keys }
    }

    /// Waits until each accepted copy left its trace; gives up silently, the judge will say.
    pub(super) async fn settled(&self, gone: &Gone, patience: Duration) {
        let accepted = gone.copies.iter().filter(|copy| copy.taken()).count() as i64;
        let _ = until(&gone.line.name, patience, || async {
            let traces = self.traces(gone).await?;
            Ok((traces.stored + traces.dead + traces.duplicates >= accepted).then_some(()))
        })
        .await;
    }

    /// Rows, dead letters and noted duplicates of a line's bytes.
    pub(super) async fn traces(&self, gone: &Gone) -> Result<Traces> {
        let hashes: Vec<&[u8]> = gone.copies.iter().map(|copy| copy.sha256.as_slice()).collect();
        let sql = "SELECT
            (SELECT count(*) FROM identified.submission WHERE body_sha256 = ANY($1) AND submission_id = $2),
            (SELECT count(*) FROM ops.dead_letter WHERE content_sha256 = ANY($1)),
            (SELECT count(*) FROM audit.event WHERE submission_id = $2
               AND body_sha256 = ANY($1) AND action = 'submission.duplicate')";
        let row = self.link.client.query_one(sql, &[&hashes, &gone.id]).await?;
        Ok(Traces { stored: row.get(0), dead: row.get(1), duplicates: row.get(2) })
    }

    /// The row of a line, its bytes opened with our own hands.
    pub(super) async fn row(&self, gone: &Gone) -> Result<Option<Row>> {
        let hashes: Vec<&[u8]> = gone.copies.iter().map(|copy| copy.sha256.as_slice()).collect();
        let sql = "SELECT s.pseudonym, s.late, r.answered_at IS NOT NULL, r.scores, r.checks, d.state,
                          s.message_id, s.sealed, s.body_sha256, r.late, s.study_id
            FROM identified.submission s
            JOIN research.submission r USING (submission_id, pseudonym)
            LEFT JOIN ops.delivery d USING (submission_id, pseudonym)
            WHERE s.submission_id = $1 AND s.body_sha256 = ANY($2)";
        let Some(row) = self.link.client.query_opt(sql, &[&gone.id, &hashes]).await? else {
            return Ok(None);
        };
        let list = |at: usize| row.get::<_, Value>(at).as_array().cloned().context("not a list");
        let envelope = self.keys.open_submission(row.get(6), row.get(7))?;
        ensure!(
            row.get::<_, Vec<u8>>(8) == crate::client::sha256(&envelope.bytes),
            "a hash that isn't that of the bytes"
        );
        let pseudonym = self.keys.pseudonym(&gone.line.study, &gone.line.subject);
        ensure!(row.get::<_, Uuid>(0) == pseudonym, "a pseudonym that isn't the patient's");
        ensure!(row.get::<_, bool>(1) == row.get::<_, bool>(9), "late in one table only");
        Ok(Some(Row {
            late: row.get(1),
            answered_seen: row.get(2),
            scores: list(3)?,
            checks: list(4)?,
            delivery: row.get(5),
            received: envelope.bytes,
        }))
    }

    /// How a line's delivery stands, and how often the hospital was called about it.
    pub(super) async fn delivery(&self, gone: &Gone) -> Result<(String, i64)> {
        let pseudonym = self.keys.pseudonym(&gone.line.study, &gone.line.subject);
        let sql = "SELECT state, (SELECT count(*) FROM ops.delivery_attempt a
                WHERE a.submission_id = d.submission_id AND a.pseudonym = d.pseudonym)
            FROM ops.delivery d WHERE submission_id = $1 AND pseudonym = $2";
        let row = self.link.client.query_one(sql, &[&gone.id, &pseudonym]).await?;
        Ok((row.get(0), row.get(1)))
    }

    /// The id under which a hospital gets a submission.
    pub(super) fn delivery_id(&self, study: &str, subject: &str, submission: Uuid) -> Uuid {
        crate::sealed::delivery_id(study, self.keys.pseudonym(study, subject), submission)
    }

    /// Alerts of an id and a patient.
    pub(super) async fn alerts(&self, gone: &Gone) -> Result<i64> {
        let pseudonym = self.keys.pseudonym(&gone.line.study, &gone.line.subject);
        let sql = "SELECT count(*) FROM ops.alert WHERE submission_id = $1 AND pseudonym = $2";
        Ok(self.link.client.query_one(sql, &[&gone.id, &pseudonym]).await?.get(0))
    }

    /// Alerts of an id and a patient that somebody has to be told of: id, rule, when the row was written.
    pub(super) async fn alerts_to_tell(&self, gone: &Gone) -> Result<Vec<(Uuid, String, f64)>> {
        let pseudonym = self.keys.pseudonym(&gone.line.study, &gone.line.subject);
        let sql = "SELECT alert_id, rule, extract(epoch FROM created_at)::double precision FROM ops.alert
            WHERE submission_id = $1 AND pseudonym = $2 AND repeats IS NULL ORDER BY created_at, rule";
        let rows = self.link.client.query(sql, &[&gone.id, &pseudonym]).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
    }

    /// Class and received bytes of a line's dead letter.
    pub(super) async fn dead_letter(&self, gone: &Gone) -> Result<Option<(String, Vec<u8>)>> {
        let hashes: Vec<&[u8]> = gone.copies.iter().map(|copy| copy.sha256.as_slice()).collect();
        let sql = "SELECT class, message_id, body FROM ops.dead_letter WHERE content_sha256 = ANY($1)";
        let Some(row) = self.link.client.query_opt(sql, &[&hashes]).await? else {
            return Ok(None);
        };
        let envelope = self.keys.open_submission(row.get(1), row.get(2))?;
        Ok(Some((row.get(0), envelope.bytes)))
    }
}
