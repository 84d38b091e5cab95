//! What becomes of an export in hand: each step only while the run is the newest one.

use super::{ExportJob, PageKey};
use crate::audit::{Actor, AuditChain, AuditFacts, Record};
use crate::error::StoreError;
use crate::pool::Store;
use crate::session::Session;
use crate::step::Step;
use crate::transaction::Transaction;
use serde_json::json;
use std::time::Duration;
use uuid::Uuid;

const BEGIN: &str = "\
UPDATE ops.export SET header = COALESCE(header, $3), estimate = COALESCE($4, estimate), last_error = NULL \
WHERE export_id = $1 AND run = $2 RETURNING header";

const PROGRESS: &str = "\
UPDATE ops.export SET rows = $3, bytes = $4 WHERE export_id = $1 AND run = $2 RETURNING state";

/// A storage that takes a file works again: what failed before it counts no more.
const PART: &str = "\
WITH ours AS (UPDATE ops.export SET attempts = 0 \
    WHERE export_id = $1 AND run = $2 AND state = 'running' RETURNING export_id) \
INSERT INTO ops.export_part (export_id, part, name, object, rows, bytes, sha256, last_submission, last_pseudonym) \
SELECT export_id, $3, $4, $5, $6, $7, $8, $9, $10 FROM ours \
ON CONFLICT (export_id, part) DO UPDATE SET name = excluded.name, object = excluded.object, \
    rows = excluded.rows, bytes = excluded.bytes, sha256 = excluded.sha256, \
    last_submission = excluded.last_submission, last_pseudonym = excluded.last_pseudonym RETURNING part";

const END: &str = "\
UPDATE ops.export SET state = $3, state_at = clock_timestamp(), last_error = $4, slot = NULL, owner = NULL, \
    finished_at = CASE WHEN $3 = 'done' THEN clock_timestamp() ELSE finished_at END, \
    expires_at = clock_timestamp() + $5::double precision * interval '1 second' \
WHERE export_id = $1 AND run = $2 AND (state = 'running' OR $3 = 'cancelled') RETURNING export_id";

const AGAIN: &str = "\
UPDATE ops.export SET state = 'queued', state_at = clock_timestamp(), slot = NULL, owner = NULL, \
    attempts = attempts + $3::integer, last_error = COALESCE($4, last_error), \
    next_at = clock_timestamp() + $5::double precision * interval '1 second' \
WHERE export_id = $1 AND run = $2 AND state = 'running' RETURNING export_id";

const FORGET_PARTS: &str = "DELETE FROM ops.export_part WHERE export_id = $1";

const EXPIRED: &str = "\
SELECT export_id FROM ops.export WHERE state IN ('done', 'failed') AND expires_at <= clock_timestamp() \
ORDER BY expires_at LIMIT 10";

const EXPIRE: &str = "\
UPDATE ops.export SET state = CASE state WHEN 'done' THEN 'expired' ELSE state END, state_at = clock_timestamp(), \
    expires_at = CASE state WHEN 'done' THEN expires_at END \
WHERE export_id = $1 AND state IN ('done', 'failed') AND expires_at <= clock_timestamp() RETURNING site_id";

/// Whether to go on with an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Going {
    /// It is ours, and wanted.
    On,
    /// It is ours, and to be ended.
    Cancelling,
    /// Another run has it.
    Lost,
}

/// A finished file.
#[derive(Debug, Clone)]
pub struct ExportPart {
    /// From 1; 0 is the manifest.
    pub part: i32,
    /// Its name for whoever fetches it.
    pub name: String,
    /// Where the object storage has it.
    pub object: String,
    /// Responses in it.
    pub rows: i64,
    /// Its size.
    pub bytes: i64,
    /// Its SHA-256.
    pub sha256: [u8; 32],
    /// The last key in it.
    pub last: PageKey,
}

impl ExportPart {
    /// What the names of files of reports begin with, and no others.
    pub const REPORTS: &str = "reports-";
}

impl Store {
    /// Fixes the column names, unless an earlier run did: gives those that hold.
    ///
    /// # Errors
    /// As every [`StoreError`]. `None`: another run has it.
    pub async fn begin_export(
        &self,
        job: &ExportJob,
        header: &[String],
        estimate: Option<i64>,
    ) -> Result<Option<Vec<String>>, StoreError> {
        let session = Session::open(self).await?;
        let rows = session.rows(BEGIN, &[&job.export_id, &job.run, &header, &estimate]).await?;
        session.done();
        rows.first().map(|row| Ok(row.try_get(0)?)).transpose()
    }

    /// Says how far it is, and asks whether to go on.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn export_progress(&self, job: &ExportJob, rows: i64, bytes: i64) -> Result<Going, StoreError> {
        let session = Session::open(self).await?;
        let found = session.rows(PROGRESS, &[&job.export_id, &job.run, &rows, &bytes]).await?;
        session.done();
        Ok(match found.first().map(|row| row.try_get::<_, &str>(0)).transpose()? {
            Some("running") => Going::On,
            Some("cancelling") => Going::Cancelling,
            _ => Going::Lost,
        })
    }

    /// Writes a finished file down: what comes later goes on behind it. Whether it is ours to write.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn export_part(&self, job: &ExportJob, part: &ExportPart) -> Result<bool, StoreError> {
        let session = Session::open(self).await?;
        let sha256 = part.sha256.as_slice();
        let ExportPart { part, name, object, rows, bytes, last, .. } = part;
        let found = session
            .rows(
                PART,
                &[&job.export_id, &job.run, part, name, object, rows, bytes, &sha256, &last.0, &last.1],
            )
            .await?;
        session.done();
        Ok(!found.is_empty())
    }

    /// Everything is there: it can be fetched from now on, for so long. Whether it was ours to say.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn export_done(
        &self,
        chain: &mut AuditChain,
        job: &ExportJob,
        keep: Duration,
    ) -> Result<bool, StoreError> {
        self.end_export(chain, job, ("done", None), Some(keep)).await
    }

    /// It was ended on request; its files are gone. Whether it was ours to say.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn export_cancelled(
        &self,
        chain: &mut AuditChain,
        job: &ExportJob,
    ) -> Result<bool, StoreError> {
        self.end_export(chain, job, ("cancelled", None), None).await
    }

    /// It is given up; its files are gone, or are to be deleted later. Whether it was ours to say.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn export_failed(
        &self,
        chain: &mut AuditChain,
        job: &ExportJob,
        why: &str,
        files_left: bool,
    ) -> Result<bool, StoreError> {
        let left = files_left.then_some(Duration::ZERO);
        self.end_export(chain, job, ("failed", Some(why)), left).await
    }

    async fn end_export(
        &self,
        chain: &mut AuditChain,
        job: &ExportJob,
        (state, why): (&str, Option<&str>),
        keep: Option<Duration>,
    ) -> Result<bool, StoreError> {
        let facts = AuditFacts::by(Actor::System("epro-worker".to_owned()));
        let mut transaction = Transaction::begin(self, chain).await?;
        let seconds = keep.map(|keep| keep.as_secs_f64());
        let end = Step::new(END).with(job.export_id).with(job.run).with(state).with(why).with(seconds);
        let ended = !transaction.rows(end).await?.is_empty();
        let details = json!({ "export": job.export_id, "rows": job.rows, "error": why });
        let record = Record {
            site_id: Some(&job.site_id),
            ..Record::about("export.finished", state, &facts, Some(details.to_string()))
        };
        let records = if ended { vec![record] } else { Vec::new() };
        let forget = (ended && state != "done").then(|| Step::new(FORGET_PARTS).with(job.export_id));
        transaction.commit(forget.into_iter().collect(), &records).await?;
        Ok(ended)
    }

    /// Somebody goes on with it after a while. `why`: what its status says until then; none: as before. `charged`: a try
    /// has failed. Whether it was ours to say.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn export_again(
        &self,
        job: &ExportJob,
        (why, charged): (Option<&str>, bool),
        after: Duration,
    ) -> Result<bool, StoreError> {
        let session = Session::open(self).await?;
        let (tries, seconds) = (i32::from(charged), after.as_secs_f64());
        let said = session.rows(AGAIN, &[&job.export_id, &job.run, &tries, &why, &seconds]).await?;
        session.done();
        Ok(!said.is_empty())
    }

    /// Some exports whose files' time is over.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn expired_exports(&self) -> Result<Vec<Uuid>, StoreError> {
        let session = Session::open(self).await?;
        let rows = session.rows(EXPIRED, &[]).await?;
        session.done();
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// Its files are gone.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn export_expired(&self, chain: &mut AuditChain, export: Uuid) -> Result<(), StoreError> {
        let facts = AuditFacts::by(Actor::System("epro-worker".to_owned()));
        let mut transaction = Transaction::begin(self, chain).await?;
        let rows = transaction.rows(Step::new(EXPIRE).with(export)).await?;
        let details = json!({ "export": export });
        let site = rows.first().map(|row| row.try_get("site_id")).transpose()?;
        let record = Record {
            site_id: site,
            ..Record::about("export.expired", "ok", &facts, Some(details.to_string()))
        };
        let records = if site.is_some() { vec![record] } else { Vec::new() };
        transaction.commit(vec![Step::new(FORGET_PARTS).with(export)], &records).await?;
        Ok(())
    }
}
