//! What was stopped on purpose: a lane, a hospital.

use crate::audit::{Actor, AuditChain, AuditFacts, Record};
use crate::error::StoreError;
use crate::pool::Store;
use crate::session::Session;
use crate::step::Step;
use crate::transaction::Transaction;
use serde::Serialize;
use serde_json::json;
use time::OffsetDateTime;

const PAUSES: &str = "SELECT kind, key, paused_by, reason, at FROM ops.pause ORDER BY kind, key";

const PAUSE: &str = "\
INSERT INTO ops.pause (kind, key, paused_by, reason) VALUES ($1, $2, $3, $4) \
ON CONFLICT DO NOTHING RETURNING kind";

const RESUME: &str = "DELETE FROM ops.pause WHERE kind = $1 AND key = $2 RETURNING kind";

/// Something that is paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pause {
    /// `lane`, `hospital`, …
    pub kind: String,
    /// Which one.
    pub key: String,
    /// Who paused it: an operator, or a lane that protects itself.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

impl Pause {
    /// Whether it stops this lane, by its own name (`submissions.routine`) or that of its kind (`submissions`).
    pub fn stops_lane(&self, lane: &str) -> bool {
        let kind = lane.split('.').next().unwrap_or(lane);
        self.kind == "lane" && (self.key == lane || self.key == kind)
    }

    /// Whether it stops what goes to the hospital of this site.
    pub fn stops_hospital(&self, site: &str) -> bool {
        self.stops_lane("hospitals") || (self.kind == "hospital" && self.key == site)
    }

    /// Whether the lane protects itself, rather than an operator stopping it on purpose.
    pub fn is_its_own(&self) -> bool {
        Actor::is_system(&self.by)
    }

    fn of(row: &tokio_postgres::Row) -> Result<Self, StoreError> {
        Ok(Self {
            kind: row.try_get("kind")?,
            key: row.try_get("key")?,
            by: row.try_get("paused_by")?,
            reason: row.try_get("reason")?,
            at: row.try_get("at")?,
        })
    }
}

impl Store {
    /// Everything that is paused, by kind and key.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn pauses(&self) -> Result<Vec<Pause>, StoreError> {
        let session = Session::open(self).await?;
        let rows = session.rows(PAUSES, &[]).await?;
        session.done();
        rows.iter().map(Pause::of).collect()
    }

    /// Pauses, audited in the same transaction. `false`: it was paused already, and stays as it was.
    /// A name alone is an operator's, from where isn't known; a lane that pauses itself is an [`Actor::System`].
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn pause(
        &self,
        chain: &mut AuditChain,
        kind: &str,
        key: &str,
        by: impl Into<AuditFacts>,
        reason: &str,
    ) -> Result<bool, StoreError> {
        let facts = by.into();
        let pause = Step::new(PAUSE).with(kind).with(key).with(facts.actor.to_string()).with(reason);
        self.changed(chain, pause, "pause.set", (kind, key), facts, reason).await
    }

    /// Ends a pause, audited in the same transaction. `false`: it wasn't paused.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn resume(
        &self,
        chain: &mut AuditChain,
        kind: &str,
        key: &str,
        by: impl Into<AuditFacts>,
        reason: &str,
    ) -> Result<bool, StoreError> {
        let resume = Step::new(RESUME).with(kind).with(key);
        self.changed(chain, resume, "pause.ended", (kind, key), by.into(), reason).await
    }

    /// Runs a statement that returns a row if it changed something; what changed nothing leaves no
    /// audit row.
    async fn changed(
        &self,
        chain: &mut AuditChain,
        change: Step<'_>,
        action: &str,
        (kind, key): (&str, &str),
        facts: AuditFacts,
        reason: &str,
    ) -> Result<bool, StoreError> {
        let details = json!({ "kind": kind, "key": key, "reason": reason });
        let mut transaction = Transaction::begin(self, chain).await?;
        let changed = !transaction.rows(change).await?.is_empty();
        let record = Record::about(action, "ok", &facts, Some(details.to_string()));
        let records = if changed { std::slice::from_ref(&record) } else { &[] };
        transaction.commit(Vec::new(), records).await?;
        Ok(changed)
    }
}
