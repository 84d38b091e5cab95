//! What ends an alert: an acknowledgement, or an operator with a reason. Nothing else does.

use crate::audit::{AuditChain, AuditFacts, Record};
use crate::bound::Bound;
use crate::error::StoreError;
use crate::pool::Store;
use crate::session::Session;
use crate::step::Step;
use crate::submissions::Committed;
use crate::suspects;
use crate::transaction::Transaction;
use serde_json::json;
use tokio_postgres::Row;
use uuid::Uuid;

/// One that repeats another stands for that one.
const LOCK: &str = "\
SELECT alert_id, submission_id, pseudonym, study_id, site_id, rule, state = 'done' AS done FROM ops.alert \
WHERE alert_id = (SELECT COALESCE(repeats, alert_id) FROM ops.alert WHERE alert_id = $1) FOR UPDATE";

const ACKNOWLEDGE: &str = "\
UPDATE ops.alert SET state = 'done', state_at = clock_timestamp(), next_at = NULL, \
    acknowledged_at = clock_timestamp(), acknowledged_by = $2 WHERE alert_id = $1";

const CLOSE: &str = "\
UPDATE ops.alert SET state = 'done', state_at = clock_timestamp(), next_at = NULL, \
    closed_at = clock_timestamp(), closed_by = $2, closed_reason = $3 WHERE alert_id = $1";

const PLACE: &str = "SELECT study_id, site_id FROM ops.alert WHERE alert_id = $1";

/// Whose alerts somebody may acknowledge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// Study ids.
    pub studies: Vec<String>,
    /// Site ids.
    pub sites: Vec<String>,
}

/// What an attempt to end an alert found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It is done now.
    Now,
    /// It was done before, and stays as it was.
    Already,
    /// It belongs to another study or site; nothing was changed.
    NotTheirs,
    /// There is no such alert (yet); nothing was written.
    Absent,
}

impl Party {
    /// Whether what belongs to that study and site is theirs.
    #[must_use]
    pub fn has(&self, study: &str, site: &str) -> bool {
        self.studies.iter().any(|own| own == study) && self.sites.iter().any(|own| own == site)
    }
}

impl Ended {
    /// Its name in audit and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Now => "ok",
            Self::Already => "already_done",
            Self::NotTheirs => "not_theirs",
            Self::Absent => "unknown",
        }
    }
}

impl Store {
    /// Acknowledges an alert, audited in the same transaction whatever it found, but for
    /// [`Ended::Absent`]; `suspect` is forgotten in it, but for the same.
    ///
    /// # Errors
    /// As every [`StoreError`]; asked again it may answer [`Ended::Already`].
    pub async fn acknowledge_alert(
        &self,
        chain: &mut AuditChain,
        alert: Uuid,
        party: &Party,
        facts: &AuditFacts,
        suspect: Option<Uuid>,
    ) -> Result<(Committed, Ended), StoreError> {
        let acknowledge = |alert: Uuid| Step::new(ACKNOWLEDGE).with(alert).with(facts.actor.to_string());
        let allowed = |study: &str, site: &str| party.has(study, site);
        self.end(chain, alert, ("alert.acknowledged", None, facts), allowed, acknowledge, suspect).await
    }

    /// Closes an alert that nobody will acknowledge, audited in the same transaction.
    ///
    /// # Errors
    /// As every [`StoreError`]; asked again it may answer [`Ended::Already`].
    pub async fn close_alert(
        &self,
        chain: &mut AuditChain,
        alert: Uuid,
        by: impl Into<AuditFacts>,
        reason: &str,
    ) -> Result<Ended, StoreError> {
        self.close_alert_within(chain, alert, &Bound::default(), by, reason).await
    }

    /// The same for whoever is bound so: one that isn't theirs, or repeats one that isn't, stays as it is.
    ///
    /// # Errors
    /// As every [`StoreError`]; asked again it may answer [`Ended::Already`].
    pub async fn close_alert_within(
        &self,
        chain: &mut AuditChain,
        alert: Uuid,
        bound: &Bound,
        by: impl Into<AuditFacts>,
        reason: &str,
    ) -> Result<Ended, StoreError> {
        let facts = by.into();
        let close = |alert: Uuid| Step::new(CLOSE).with(alert).with(facts.actor.to_string()).with(reason);
        let what = ("alert.closed", Some(reason), &facts);
        let allowed = |study: &str, site: &str| bound.has(Some(study), Some(site));
        Ok(self.end(chain, alert, what, allowed, close, None).await?.1)
    }

    async fn end<'s>(
        &self,
        chain: &mut AuditChain,
        alert: Uuid,
        (action, reason, facts): (&str, Option<&str>, &AuditFacts),
        allowed: impl Fn(&str, &str) -> bool,
        end: impl Fn(Uuid) -> Step<'s>,
        suspect: Option<Uuid>,
    ) -> Result<(Committed, Ended), StoreError> {
        let mut transaction = Transaction::begin(self, chain).await?;
        let found = transaction.rows(Step::new(LOCK).with(alert)).await?;
        let Some(row) = found.first() else {
            return Ok((transaction.commit(Vec::new(), &[]).await?, Ended::Absent));
        };
        let ended = judge(row, allowed)?;
        let root: Uuid = row.try_get("alert_id")?;
        let details = json!({ "alert": root, "rule": row.try_get::<_, &str>("rule")?, "reason": reason });
        let record = Record {
            submission_id: row.try_get("submission_id")?,
            pseudonym: row.try_get("pseudonym")?,
            site_id: row.try_get("site_id")?,
            study_id: row.try_get("study_id")?,
            ..Record::about(action, ended.as_str(), facts, Some(details.to_string()))
        };
        let ending = (ended == Ended::Now).then(|| end(root));
        let steps = ending.into_iter().chain(suspect.map(suspects::forget)).collect();
        Ok((transaction.commit(steps, &[record]).await?, ended))
    }

    /// Study and site of an alert; `None`: there is no such alert (yet).
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn alert_place(&self, alert: Uuid) -> Result<Option<(String, String)>, StoreError> {
        let session = Session::open(self).await?;
        let rows = session.rows(PLACE, &[&alert]).await?;
        session.done();
        rows.first().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
    }
}

fn judge(row: &Row, allowed: impl Fn(&str, &str) -> bool) -> Result<Ended, StoreError> {
    if !allowed(row.try_get("study_id")?, row.try_get("site_id")?) {
        return Ok(Ended::NotTheirs);
    }
    Ok(if row.try_get("done")? { Ended::Already } else { Ended::Now })
}
