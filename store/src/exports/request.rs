//! What the door asks for: an export, or its end.

use crate::audit::{Actor, AuditChain, AuditFacts, Record};
use crate::error::StoreError;
use crate::pool::Store;
use crate::step::Step;
use crate::submissions::Committed;
use crate::transaction::Transaction;
use epro_schemas::export::{ExportCancel, ExportRequest};
use serde_json::json;

const REQUEST: &str = "\
INSERT INTO ops.export (export_id, study_ids, site_id, instruments, period_from, period_to, format, \
    identified, snapshot, actor, client, trace_id, requested_at) \
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING RETURNING export_id";

const LOCK: &str = "SELECT state, site_id FROM ops.export WHERE export_id = $1 FOR UPDATE";

/// Nobody works at one that is queued. One that runs is ended by whoever works at it, or would.
const CANCEL: &str = "\
UPDATE ops.export SET state = CASE WHEN run = 0 THEN 'cancelled' ELSE 'cancelling' END, \
    state_at = clock_timestamp(), next_at = clock_timestamp() WHERE export_id = $1";

/// What a wish to cancel found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// It ends, or has never begun.
    Now,
    /// It had ended before, one way or the other.
    Over,
    /// There is no such export.
    Absent,
}

impl Cancelled {
    /// Its name in audit and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Now => "ok",
            Self::Over => "over",
            Self::Absent => "unknown",
        }
    }
}

impl Store {
    /// Writes an export down, with its audit row. The same message again changes nothing.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn request_export(
        &self,
        chain: &mut AuditChain,
        request: &ExportRequest,
    ) -> Result<Committed, StoreError> {
        let facts = facts(request.actor, request.client.as_deref(), request.trace_id.as_deref());
        let step = Step::new(REQUEST)
            .with(request.export_id)
            .with(&request.study_ids)
            .with(&*request.site_id)
            .with(&request.instruments)
            .with(request.from)
            .with(request.to)
            .with(request.format.as_str())
            .with(request.identified)
            .with(&*request.snapshot)
            .with(facts.actor.to_string())
            .with(request.client.as_deref())
            .with(request.trace_id.as_deref())
            .with(request.at);
        let mut transaction = Transaction::begin(self, chain).await?;
        let fresh = !transaction.rows(step).await?.is_empty();
        let details = json!({
            "export": request.export_id, "studies": request.study_ids, "instruments": request.instruments,
            "format": request.format, "identified": request.identified,
        });
        let record = Record {
            site_id: Some(&request.site_id),
            ..Record::about("export.requested", "ok", &facts, Some(details.to_string()))
        };
        let records = if fresh { vec![record] } else { Vec::new() };
        transaction.commit(Vec::new(), &records).await
    }

    /// Ends an export, with its audit row.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn cancel_export(
        &self,
        chain: &mut AuditChain,
        cancel: &ExportCancel,
    ) -> Result<(Committed, Cancelled), StoreError> {
        let facts = facts(cancel.actor, cancel.client.as_deref(), cancel.trace_id.as_deref());
        let mut transaction = Transaction::begin(self, chain).await?;
        let found = transaction.rows(Step::new(LOCK).with(cancel.export_id)).await?;
        let (outcome, site) = match found.first() {
            None => (Cancelled::Absent, None),
            Some(row) => {
                let open = matches!(row.try_get("state")?, "queued" | "running");
                (if open { Cancelled::Now } else { Cancelled::Over }, Some(row.try_get("site_id")?))
            }
        };
        let steps = match outcome {
            Cancelled::Now => vec![Step::new(CANCEL).with(cancel.export_id)],
            Cancelled::Over | Cancelled::Absent => Vec::new(),
        };
        let details = json!({ "export": cancel.export_id });
        let record = Record {
            site_id: site,
            ..Record::about("export.cancel", outcome.as_str(), &facts, Some(details.to_string()))
        };
        Ok((transaction.commit(steps, &[record]).await?, outcome))
    }
}

fn facts(actor: uuid::Uuid, client: Option<&str>, trace_id: Option<&str>) -> AuditFacts {
    AuditFacts {
        client: client.map(str::to_owned),
        trace_id: trace_id.map(str::to_owned),
        ..AuditFacts::by(Actor::Delegate(actor))
    }
}
