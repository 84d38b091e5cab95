//! What the door asks for: an export, or its end.

use crate::audit::{Actor, AuditChain, AuditFacts, Record};
use crate::error::StoreError;
use crate::pool::Store;
use crate::step::Step;
use crate::submissions::Committed;
use crate::transaction::Transaction;
use epro_schemas::export::{ExportCancel, ExportRequest};
use serde_json::json;
use time::{Duration, OffsetDateTime};

/// A row that was only its end is filled in, and stays ended.
const REQUEST: &str = "\
INSERT INTO ops.export AS e (export_id, study_ids, site_id, instruments, period_from, period_to, format, \
    identified, snapshot, actor, client, trace_id, requested_at, year_from, year_to) \
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) \
ON CONFLICT (export_id) DO UPDATE SET study_ids = EXCLUDED.study_ids, site_id = EXCLUDED.site_id, \
    instruments = EXCLUDED.instruments, period_from = EXCLUDED.period_from, period_to = EXCLUDED.period_to, \
    format = EXCLUDED.format, identified = EXCLUDED.identified, snapshot = EXCLUDED.snapshot, \
    actor = EXCLUDED.actor, client = EXCLUDED.client, trace_id = EXCLUDED.trace_id, \
    requested_at = EXCLUDED.requested_at, year_from = EXCLUDED.year_from, year_to = EXCLUDED.year_to \
WHERE e.site_id = '' RETURNING export_id";

/// The wish to end it came before its request: a row that nobody takes in hand.
const BARE: &str = "\
INSERT INTO ops.export (export_id, study_ids, site_id, instruments, period_from, period_to, format, \
    identified, snapshot, actor, requested_at, state) \
VALUES ($1, '{}', '', '{}', now(), now(), 'csv', false, '', $2, now(), 'cancelled') \
ON CONFLICT DO NOTHING RETURNING export_id";

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
    /// Its request is not written down yet; once it is, it has ended.
    Early,
}

impl Cancelled {
    /// Its name in audit and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Now => "ok",
            Self::Over => "over",
            Self::Early => "early",
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
        let from = (request.client.as_deref(), request.from_network.as_deref());
        let facts = facts(request.actor, from, request.trace_id.as_deref());
        let (year_from, year_to) = years(request.from, request.to);
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
            .with(request.at)
            .with(year_from)
            .with(year_to);
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
        let from = (cancel.client.as_deref(), cancel.from_network.as_deref());
        let facts = facts(cancel.actor, from, cancel.trace_id.as_deref());
        let mut transaction = Transaction::begin(self, chain).await?;
        let mut found = transaction.rows(Step::new(LOCK).with(cancel.export_id)).await?;
        if found.is_empty() {
            let bare = Step::new(BARE).with(cancel.export_id).with(facts.actor.to_string());
            if transaction.rows(bare).await?.is_empty() {
                // Its request was committed meanwhile.
                found = transaction.rows(Step::new(LOCK).with(cancel.export_id)).await?;
            }
        }
        let (outcome, site) = match found.first() {
            None => (Cancelled::Early, None),
            Some(row) => {
                let open = matches!(row.try_get("state")?, "queued" | "running");
                (if open { Cancelled::Now } else { Cancelled::Over }, Some(row.try_get("site_id")?))
            }
        };
        let steps = match outcome {
            Cancelled::Now => vec![Step::new(CANCEL).with(cancel.export_id)],
            Cancelled::Over | Cancelled::Early => Vec::new(),
        };
        let details = json!({ "export": cancel.export_id });
        let record = Record {
            site_id: site,
            ..Record::about("export.cancel", outcome.as_str(), &facts, Some(details.to_string()))
        };
        Ok((transaction.commit(steps, &[record]).await?, outcome))
    }
}

/// The first and the last year of a period, by the offsets that it is written with.
pub(super) fn years(from: OffsetDateTime, to: OffsetDateTime) -> (i16, i16) {
    let year = |at: OffsetDateTime| i16::try_from(at.year()).unwrap_or(i16::MAX);
    (year(from), year(to - Duration::NANOSECOND))
}

fn facts(
    actor: uuid::Uuid,
    (client, from_network): (Option<&str>, Option<&str>),
    trace_id: Option<&str>,
) -> AuditFacts {
    AuditFacts {
        actor: Actor::Delegate(actor),
        client: client.map(str::to_owned),
        from_network: from_network.map(str::to_owned),
        trace_id: trace_id.map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn a_period_has_the_years_of_the_clock_that_it_was_written_by() {
        let taipei = (datetime!(2027-01-01 00:00 +08:00), datetime!(2028-01-01 00:00 +08:00));
        assert_eq!(years(taipei.0, taipei.1), (2027, 2027));
        let seattle = (datetime!(2027-01-01 00:00 -08:00), datetime!(2028-01-01 00:00 -08:00));
        assert_eq!(years(seattle.0, seattle.1), (2027, 2027));
        let midnight = (datetime!(2026-12-31 23:59 UTC), datetime!(2027-01-01 00:01 UTC));
        assert_eq!(years(midnight.0, midnight.1), (2026, 2027));
    }
}
