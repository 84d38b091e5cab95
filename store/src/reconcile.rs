//! After a lost queue: rows that believe in a message that is gone say `unsent` again, and the relay publishes them.
//!
//! A message that is there after all does no harm: an alert's and a question's is only a wake-up, and a delivery's has
//! no effect, since its row has a new generation.

use crate::audit::{AuditChain, AuditFacts, Record};
use crate::error::StoreError;
use crate::pool::Store;
use crate::session::Session;
use crate::step::Step;
use crate::transaction::Transaction;
use serde_json::json;
use time::OffsetDateTime;

/// Rows in one transaction.
const PAGE: i64 = 500;

macro_rules! unsend {
    ($table:literal, $set:literal, $where:literal, $keys:literal) => {
        concat!(
            "UPDATE ",
            $table,
            " t SET state = 'unsent', state_at = clock_timestamp()",
            $set,
            " FROM (SELECT ctid FROM ",
            $table,
            " WHERE ",
            $where,
            " AND state_at < $1 ",
            "ORDER BY state_at LIMIT $2 FOR UPDATE) AS k WHERE t.ctid = k.ctid RETURNING ",
            $keys
        )
    };
}

const ALERTS: &str =
    unsend!("ops.alert", "", "state = 'queued'", "t.submission_id, t.pseudonym, t.site_id, t.study_id");

const RISKS: &str = unsend!(
    "ops.risk",
    "",
    "state IN ('queued', 'waits')",
    "t.submission_id, t.pseudonym, NULL::text AS site_id, t.study_id"
);

const DELIVERIES: &str = unsend!(
    "ops.delivery",
    ", generation = t.generation + 1",
    "state IN ('queued', 'waits') AND site_id = $3",
    "t.submission_id, t.pseudonym, t.site_id, NULL::text AS study_id"
);

const COUNTS: &str = "\
SELECT (SELECT count(*) FROM ops.alert WHERE state = 'queued' AND state_at < $1), \
    (SELECT count(*) FROM ops.risk WHERE state IN ('queued', 'waits') AND state_at < $1)";

const COUNT_DELIVERIES: &str = "\
SELECT site_id, count(*) FROM ops.delivery WHERE state IN ('queued', 'waits') AND state_at < $1 GROUP BY site_id";

/// Rows whose messages one queue holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work<'a> {
    /// Alerts that aren't done.
    Alerts,
    /// What is to go to the hospital of this site.
    Deliveries(&'a str),
    /// What risk models are to be asked.
    Risks,
}

/// Rows that believe that their message is in a queue, or in a wait tier on its way there.
#[derive(Debug, Clone)]
pub struct Believing {
    /// Alerts that aren't done.
    pub alerts: i64,
    /// Questions for risk models.
    pub risks: i64,
    /// Deliveries by site.
    pub deliveries: Vec<(String, i64)>,
}

impl Store {
    /// Counts the rows that have believed since before `before` that their message is on its way.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn believing(&self, before: OffsetDateTime) -> Result<Believing, StoreError> {
        let session = Session::open(self).await?;
        let steps = [COUNTS, COUNT_DELIVERIES].map(|sql| Step::new(sql).with(before));
        let answers = session.pipeline(steps.into(), false).await?;
        session.done();
        let [counts, deliveries] = &answers[..] else { return Err(StoreError::internal()) };
        let counts = counts.first().ok_or_else(StoreError::internal)?;
        let deliveries = deliveries.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
        Ok(Believing {
            alerts: counts.try_get(0)?,
            risks: counts.try_get(1)?,
            deliveries: deliveries.collect::<Result<_, StoreError>>()?,
        })
    }

    /// Lets the relay publish once more what was on its way before `before`, each row with an audit row in its
    /// transaction. How many rows it were.
    ///
    /// # Errors
    /// As every [`StoreError`]; what was changed before it stays so, and doing it again does the rest.
    pub async fn unsend(
        &self,
        chain: &mut AuditChain,
        work: Work<'_>,
        before: OffsetDateTime,
        by: &AuditFacts,
        reason: &str,
    ) -> Result<u64, StoreError> {
        let details = json!({ "reason": reason }).to_string();
        let (sql, action) = match work {
            Work::Alerts => (ALERTS, "alert.reconciled"),
            Work::Deliveries(_) => (DELIVERIES, "delivery.reconciled"),
            Work::Risks => (RISKS, "risk.reconciled"),
        };
        let mut all = 0;
        loop {
            let step = Step::new(sql).with(before).with(PAGE);
            let step = match work {
                Work::Deliveries(site) => step.with(site),
                Work::Alerts | Work::Risks => step,
            };
            let mut transaction = Transaction::begin(self, chain).await?;
            let found = transaction.rows(step).await?;
            let records = found.iter().map(|row| {
                Ok(Record {
                    submission_id: row.try_get("submission_id")?,
                    pseudonym: row.try_get("pseudonym")?,
                    site_id: row.try_get("site_id")?,
                    study_id: row.try_get("study_id")?,
                    ..Record::about(action, "ok", by, Some(details.clone()))
                })
            });
            let records = records.collect::<Result<Vec<_>, StoreError>>()?;
            transaction.commit(Vec::new(), &records).await?;
            all += found.len() as u64;
            if found.is_empty() {
                return Ok(all);
            }
        }
    }
}
