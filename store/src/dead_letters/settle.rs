//! What ends a dead letter: a redrive that published it, or an operator who gives it up.

use super::{DeadLetterState, DeadLetterSummary, rows};
use crate::audit::{AuditChain, AuditFacts, Record};
use crate::error::StoreError;
use crate::follow_ons::{self, FollowOn};
use crate::pool::Store;
use crate::redrives;
use crate::step::Step;
use crate::transaction::Transaction;
use serde_json::json;
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

/// A dead letter that a redrive has published.
#[derive(Debug, Clone, Copy)]
pub struct Mark<'a> {
    /// The redrive.
    pub redrive_id: i64,
    /// The dead letter as it was before its message was published.
    pub seen: &'a DeadLetterSummary,
    /// Who publishes it.
    pub by: &'a AuditFacts,
    /// Why.
    pub reason: &'a str,
    /// Whether there was anything to publish.
    pub published: bool,
    /// What was published of it, where that is a follow-on with a row of its own.
    pub follow_on: Option<&'a FollowOn>,
    /// What an operator is told.
    pub outcome: &'a str,
}

/// What marking a dead letter as redriven found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redriven {
    /// Marked now.
    Now,
    /// It was no longer open: redriven, or discarded, at this time.
    Already {
        /// Since when.
        at: OffsetDateTime,
    },
    /// It was set aside again since it was looked at: it stays open.
    CameBack,
    /// There is no such dead letter.
    Absent,
}

/// What giving up dead letters found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discarded {
    /// Those that were open, and are discarded now.
    pub now: Vec<i64>,
    /// Those that were not open, or are not there.
    pub not_open: Vec<i64>,
}

impl Redriven {
    /// How the deed ended, for the audit row; `None`: it leaves the dead letter as it was, and has no row.
    fn outcome(self) -> Option<&'static str> {
        match self {
            Self::Now => Some("ok"),
            Self::CameBack => Some("came_back"),
            Self::Already { .. } | Self::Absent => None,
        }
    }
}

impl Store {
    /// Marks a dead letter as redriven, and its place in the redrive, audited in the same transaction. Call
    /// it after the message was confirmed: between the two, a second redrive publishes it again,
    /// which is stored once. If by now it was set aside more often than it was seen to be, the same message has
    /// failed again, and that is not settled; it was published all the same, and the audit row says so.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn mark_redriven(
        &self,
        chain: &mut AuditChain,
        mark: &Mark<'_>,
    ) -> Result<Redriven, StoreError> {
        let mut transaction = Transaction::begin(self, chain).await?;
        let found = transaction.rows(rows::lock(mark.seen.id)).await?;
        let (redriven, steps) = judged(mark, found.first())?;
        let details = json!({
            "dead_letter": mark.seen.id, "redrive": mark.redrive_id, "published": mark.published,
            "reason": mark.reason,
        });
        let about = about(&found, ("dead_letter.redriven", mark.by), details.to_string())?;
        let record = redriven.outcome().zip(about).map(|(outcome, about)| Record { outcome, ..about });
        transaction.commit(steps, record.as_slice()).await?;
        Ok(redriven)
    }

    /// Gives up those of `ids` that are open, in one transaction, each with an audit row.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn discard(
        &self,
        chain: &mut AuditChain,
        ids: &[i64],
        by: impl Into<AuditFacts>,
        reason: &str,
    ) -> Result<Discarded, StoreError> {
        let facts = by.into();
        let mut transaction = Transaction::begin(self, chain).await?;
        let found = transaction.rows(rows::discard(ids, &facts.actor, reason)).await?;
        let mut now = Vec::with_capacity(found.len());
        let mut records = Vec::with_capacity(found.len());
        for row in &found {
            let id: i64 = row.try_get("id")?;
            let details = json!({ "dead_letter": id, "reason": reason }).to_string();
            records.push(record(row, ("dead_letter.discarded", &facts), details)?);
            now.push(id);
        }
        transaction.commit(Vec::new(), &records).await?;
        let not_open = ids.iter().copied().filter(|id| !now.contains(id)).collect();
        Ok(Discarded { now, not_open })
    }
}

fn judged<'m>(mark: &'m Mark<'_>, found: Option<&Row>) -> Result<(Redriven, Vec<Step<'m>>), StoreError> {
    let item = |state, outcome: String| redrives::item((mark.redrive_id, mark.seen.id), state, outcome);
    let id = mark.seen.id;
    let Some(row) = found else {
        return Ok((Redriven::Absent, vec![item("failed", "there is no such dead letter".into())]));
    };
    if rows::state(row)? != DeadLetterState::Open {
        let at = row.try_get("settled_at")?;
        return Ok((Redriven::Already { at }, vec![item("settled", redrives::settled_already(at))]));
    }
    if row.try_get::<_, i32>("times")? != mark.seen.times {
        let mut steps =
            vec![item("failed", format!("it went to {} and came back: it stays open", mark.seen.queue))];
        let stage: Option<&str> = row.try_get("stage")?;
        let detail: Option<&str> = row.try_get("detail")?;
        if stage == mark.seen.stage.as_deref() && detail == mark.seen.detail.as_deref() {
            steps.push(rows::failed_again(id));
        }
        steps.extend(queued(mark, row)?);
        return Ok((Redriven::CameBack, steps));
    }
    let state = if mark.published { "redriven" } else { "settled" };
    let settle = rows::settle(id, DeadLetterState::Redriven, &mark.by.actor, mark.reason);
    let mut steps = vec![settle, item(state, mark.outcome.to_owned())];
    steps.extend(queued(mark, row)?);
    Ok((Redriven::Now, steps))
}

/// What was published needn't be by the relay. Of a row whose submission the audit row doesn't name nothing may be
/// changed: the relay publishes it once more, which is harmless.
fn queued(mark: &Mark<'_>, row: &Row) -> Result<Vec<Step<'static>>, StoreError> {
    let submission: Option<Uuid> = row.try_get("submission_id")?;
    let told = mark.follow_on.filter(|follow_on| submission == Some(follow_on.submission_id()));
    Ok(told.map_or_else(Vec::new, follow_ons::queued))
}

fn about<'r>(
    found: &'r [Row],
    what: (&'r str, &'r AuditFacts),
    details: String,
) -> Result<Option<Record<'r>>, StoreError> {
    found.first().map(|row| record(row, what, details)).transpose()
}

/// A deed at a dead letter, about the submission in it.
pub(super) fn record<'r>(
    row: &'r Row,
    (action, facts): (&'r str, &'r AuditFacts),
    details: String,
) -> Result<Record<'r>, StoreError> {
    Ok(Record {
        submission_id: row.try_get("submission_id")?,
        pseudonym: row.try_get("pseudonym")?,
        site_id: row.try_get("site_id")?,
        study_id: row.try_get("study_id")?,
        ..Record::about(action, "ok", facts, Some(details))
    })
}
