//! Comprehensive reports: taken in hand, finished once, read, and deleted when they expire.

mod finish;
mod read;

pub use finish::Finished;
pub use read::ReportNow;

use crate::audit::{Actor, AuditChain, AuditFacts, Record};
use crate::error::StoreError;
use crate::pool::Store;
use crate::step::Step;
use crate::submissions::Committed;
use crate::transaction::Transaction;
use crate::within::within;
use serde_json::json;
use std::time::Instant;
use time::OffsetDateTime;
use uuid::Uuid;

const BEGIN: &str = "\
INSERT INTO ops.report (report_id, pseudonym, study_id, site_id, requested_at, deadline_at, expires_at) \
SELECT $1, $2, $3, $4, $5, $6, $7 WHERE $7::timestamptz > now() ON CONFLICT (report_id) DO NOTHING";

const STATE: &str = "SELECT state FROM ops.report WHERE report_id = $1 AND expires_at > now()";

const EXPIRED: &str = "\
DELETE FROM ops.report WHERE report_id IN (SELECT report_id FROM ops.report WHERE expires_at <= now() \
    ORDER BY expires_at LIMIT 1000 FOR UPDATE SKIP LOCKED) RETURNING report_id";

/// What a job says of its report; nothing that names the patient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportFacts {
    /// Names the report.
    pub report_id: Uuid,
    /// Whose it is.
    pub pseudonym: Uuid,
    /// The study.
    pub study_id: String,
    /// The site whose hospital is asked.
    pub site_id: String,
    /// When it was asked for.
    pub requested_at: OffsetDateTime,
    /// By when it has to be there.
    pub deadline: OffsetDateTime,
    /// When it is deleted.
    pub expires_at: OffsetDateTime,
}

/// What taking a report in hand found.
#[derive(Debug)]
pub enum BegunReport {
    /// It is to be made.
    Running,
    /// It was made before, or has expired: there is nothing to do.
    Over(Committed),
}

impl ReportFacts {
    fn asks(&self, sql: &'static str) -> Step<'_> {
        Step::new(sql)
            .with(self.report_id)
            .with(self.pseudonym)
            .with(self.study_id.as_str())
            .with(self.site_id.as_str())
            .with(self.requested_at)
            .with(self.deadline)
            .with(self.expires_at)
    }
}

impl Store {
    /// Takes a report in hand. Neither we nor the server work on it beyond `until`.
    ///
    /// # Errors
    /// As every [`StoreError`]; asked again it answers the same.
    pub async fn begin_report(
        &self,
        report: &ReportFacts,
        until: Instant,
    ) -> Result<BegunReport, StoreError> {
        let steps = vec![report.asks(BEGIN), Step::new(STATE).with(report.report_id)];
        let answers = within(self, until, steps).await?;
        match answers.last().and_then(|rows| rows.first()).map(|row| row.try_get(0)).transpose()? {
            Some("running") => Ok(BegunReport::Running),
            // What is read is committed: a statement sees nothing else.
            _ => Ok(BegunReport::Over(Committed::after_commit())),
        }
    }

    /// Deletes some of the reports that have expired, audited in the same transaction, and says how many.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn delete_expired_reports(&self, chain: &mut AuditChain) -> Result<usize, StoreError> {
        let mut transaction = Transaction::begin(self, chain).await?;
        let deleted = transaction.rows(Step::new(EXPIRED)).await?.len();
        let facts = AuditFacts::by(Actor::System("epro-worker".to_owned()));
        let record =
            Record::about("report.expired", "ok", &facts, Some(json!({ "count": deleted }).to_string()));
        let records = if deleted > 0 { std::slice::from_ref(&record) } else { &[] };
        transaction.commit(Vec::new(), records).await?;
        Ok(deleted)
    }
}
