//! A report is finished: once, however often its message is handed out.

use super::ReportFacts;
use crate::audit::{AuditChain, AuditFacts, Record};
use crate::error::StoreError;
use crate::pool::Store;
use crate::submissions::Committed;
use crate::suspects;
use crate::transaction::Transaction;
use crate::within::bound;
use serde_json::{Value, json};
use std::fmt;
use std::time::Instant;
use uuid::Uuid;

const FINISH: &str = "\
INSERT INTO ops.report AS r (report_id, pseudonym, study_id, site_id, requested_at, deadline_at, expires_at, \
    state, finished_at, complete, missing, body) \
SELECT $1, $2, $3, $4, $5, $6, $7, 'done', clock_timestamp(), $8, $9, $10 WHERE $7::timestamptz > now() \
ON CONFLICT (report_id) DO UPDATE SET state = 'done', finished_at = EXCLUDED.finished_at, \
    complete = EXCLUDED.complete, missing = EXCLUDED.missing, body = EXCLUDED.body \
WHERE r.state = 'running' RETURNING report_id";

/// A report that was made. Debug shows nothing of it.
pub struct Finished {
    /// What its job says of it.
    pub facts: ReportFacts,
    /// Whether nothing is missing.
    pub complete: bool,
    /// What is missing, and why: `[{"service", "reason"}]`.
    pub missing: Value,
    /// The report under its seal.
    pub body: Vec<u8>,
    /// Who asked for it.
    pub by: AuditFacts,
}

impl fmt::Debug for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Finished")
            .field("report_id", &self.facts.report_id)
            .field("complete", &self.complete)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Writes a report down, audited in the same transaction, unless that was done before or it has expired; forgets
    /// the suspect. No statement runs beyond `until`.
    ///
    /// # Errors
    /// As every [`StoreError`]; asked again it changes nothing more.
    pub async fn finish_report(
        &self,
        chain: &mut AuditChain,
        report: &Finished,
        suspect: Option<Uuid>,
        until: Instant,
    ) -> Result<Committed, StoreError> {
        let facts = &report.facts;
        let finish =
            facts.asks(FINISH).with(report.complete).with(&report.missing).with(report.body.as_slice());
        let mut transaction = Transaction::begin(self, chain).await?;
        // By itself: preparing a statement waits for locks, too.
        transaction.rows(bound(until)).await?;
        let written = !transaction.rows(finish).await?.is_empty();
        let details = json!({ "report": facts.report_id, "missing": report.missing });
        let outcome = if report.complete { "complete" } else { "incomplete" };
        let record = Record {
            pseudonym: Some(facts.pseudonym),
            site_id: Some(&facts.site_id),
            study_id: Some(&facts.study_id),
            received_at: Some(facts.requested_at),
            ..Record::about("report.made", outcome, &report.by, Some(details.to_string()))
        };
        let records = if written { std::slice::from_ref(&record) } else { &[] };
        transaction.commit(suspect.map(suspects::forget).into_iter().collect(), records).await
    }
}
