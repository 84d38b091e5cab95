//! Redrives as jobs: what each is to redrive was fixed when it was made, and is noted one by one.

mod status;

pub use status::{ItemStatus, RedriveStatus};

use crate::audit::{AuditChain, AuditFacts, Record};
use crate::bound::Bound;
use crate::dead_letters::{Filter, matching, narrowed};
use crate::error::StoreError;
use crate::pool::Store;
use crate::session::Session;
use crate::step::Step;
use crate::transaction::Transaction;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

const CREATE: &str = concat!(
    "WITH job AS (INSERT INTO ops.redrive (actor, reason, rate, runner) VALUES ($16, $17, $18, $19) \
     RETURNING redrive_id), \
     items AS (INSERT INTO ops.redrive_item (redrive_id, dead_letter_id, times) \
     SELECT job.redrive_id, found.id, found.times FROM job, \
     (SELECT id, times FROM ops.dead_letter WHERE",
    matching!(),
    "ORDER BY id LIMIT $15::bigint) AS found RETURNING 1) \
     SELECT job.redrive_id, (SELECT count(*) FROM items) FROM job"
);

const RESUME: &str = "\
UPDATE ops.redrive SET state = 'open', state_at = now(), runner = $2, stepped_at = now() \
WHERE redrive_id = $1 AND state <> 'done' RETURNING redrive_id";

const CANCEL: &str = "\
UPDATE ops.redrive SET state = 'cancelled', state_at = now() \
WHERE redrive_id = $1 AND state = 'open' RETURNING redrive_id";

const STEP: &str = "\
UPDATE ops.redrive SET stepped_at = clock_timestamp() \
WHERE redrive_id = $1 AND state = 'open' AND runner = $2 RETURNING redrive_id";

const WAITING: &str = "\
SELECT dead_letter_id, times FROM ops.redrive_item WHERE redrive_id = $1 AND state = 'waiting' \
ORDER BY dead_letter_id LIMIT 1";

const DONE: &str = "\
UPDATE ops.redrive SET state = 'done', state_at = now() WHERE redrive_id = $1 AND state = 'open' AND runner = $2 \
AND NOT EXISTS (SELECT FROM ops.redrive_item i WHERE i.redrive_id = $1 AND i.state = 'waiting')";

const ITEM: &str = "\
UPDATE ops.redrive_item SET state = $3, outcome = $4, at = clock_timestamp() \
WHERE redrive_id = $1 AND dead_letter_id = $2";

/// One that is gone is of no study that is known.
const ELSEWHERE: &str = "\
SELECT EXISTS (SELECT FROM ops.redrive_item i LEFT JOIN ops.dead_letter d ON d.id = i.dead_letter_id \
    WHERE i.redrive_id = $1 AND NOT COALESCE(($2::text[] IS NULL OR d.study_id = ANY ($2)) \
        AND ($3::text[] IS NULL OR d.site_id = ANY ($3)), false))";

/// What an operator wants redriven.
#[derive(Debug, Clone)]
pub struct NewRedrive<'a> {
    /// Which dead letters. Its limit bounds how many.
    pub filter: &'a Filter,
    /// At most so many a second.
    pub rate: i32,
    /// Who wants it.
    pub by: &'a AuditFacts,
    /// Why.
    pub reason: &'a str,
    /// Who is going to work at it: a new id for each.
    pub runner: Uuid,
}

/// What somebody who works at a redrive does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Redrives this one.
    Item(Item),
    /// Nothing: all of them are noted, and so is the redrive's end.
    Done,
    /// Nothing: it was cancelled, or somebody else has taken it over.
    Stopped,
}

/// A dead letter of a redrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// The dead letter.
    pub id: i64,
    /// How often it had failed when the redrive was made.
    pub times: i32,
}

/// Notes what became of a dead letter of a redrive.
pub(crate) fn item((redrive_id, id): (i64, i64), state: &'static str, outcome: String) -> Step<'static> {
    Step::new(ITEM).with(redrive_id).with(id).with(state).with(outcome)
}

/// What an operator is told of one that isn't open any more.
#[must_use]
pub fn settled_already(at: OffsetDateTime) -> String {
    format!("was settled already at {}", at.format(&Rfc3339).unwrap_or_default())
}

impl Store {
    /// Makes a redrive of what the filter finds now, audited in the same transaction. `None`: it finds nothing.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn create_redrive(
        &self,
        chain: &mut AuditChain,
        wanted: &NewRedrive<'_>,
    ) -> Result<Option<i64>, StoreError> {
        let mut transaction = Transaction::begin(self, chain).await?;
        let create = narrowed(CREATE, wanted.filter).with(wanted.filter.limit.map(i64::from));
        let create = create.with(wanted.by.actor.to_string()).with(wanted.reason).with(wanted.rate);
        let made = transaction.rows(create.with(wanted.runner)).await?;
        let made = made.first().ok_or_else(StoreError::internal)?;
        let (id, count): (i64, i64) = (made.try_get(0)?, made.try_get(1)?);
        if count == 0 {
            // Dropped, the transaction is rolled back.
            return Ok(None);
        }
        let details = json!({ "redrive": id, "dead_letters": count, "reason": wanted.reason });
        let record = Record::about("redrive.created", "ok", wanted.by, Some(details.to_string()));
        transaction.commit(Vec::new(), &[record]).await?;
        Ok(Some(id))
    }

    /// Opens a redrive again for `runner`, audited in the same transaction: one that was cancelled, or whose runner
    /// died. A runner that is still alive stops at its next step. `false`: it is done, or there is none.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn resume_redrive(
        &self,
        chain: &mut AuditChain,
        redrive_id: i64,
        runner: Uuid,
        why: (&AuditFacts, &str),
    ) -> Result<bool, StoreError> {
        let step = Step::new(RESUME).with(redrive_id).with(runner);
        self.redrive_changed(chain, step, ("redrive.resumed", redrive_id), why).await
    }

    /// Ends a redrive before its end, audited in the same transaction; whoever works at it stops at the next step.
    /// `false`: it isn't open.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn cancel_redrive(
        &self,
        chain: &mut AuditChain,
        redrive_id: i64,
        why: (&AuditFacts, &str),
    ) -> Result<bool, StoreError> {
        let step = Step::new(CANCEL).with(redrive_id);
        self.redrive_changed(chain, step, ("redrive.cancelled", redrive_id), why).await
    }

    async fn redrive_changed(
        &self,
        chain: &mut AuditChain,
        step: Step<'_>,
        (action, redrive_id): (&str, i64),
        (facts, reason): (&AuditFacts, &str),
    ) -> Result<bool, StoreError> {
        let mut transaction = Transaction::begin(self, chain).await?;
        let changed = !transaction.rows(step).await?.is_empty();
        let details = json!({ "redrive": redrive_id, "reason": reason });
        let record = Record::about(action, "ok", facts, Some(details.to_string()));
        let records = if changed { std::slice::from_ref(&record) } else { &[] };
        transaction.commit(Vec::new(), records).await?;
        Ok(changed)
    }

    /// Whether all dead letters of a redrive belong to whoever is bound so; those of one that there is not do.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn redrive_is_within(&self, redrive_id: i64, bound: &Bound) -> Result<bool, StoreError> {
        let session = Session::open(self).await?;
        let rows = session.rows(ELSEWHERE, &[&redrive_id, &bound.studies, &bound.sites]).await?;
        session.done();
        let elsewhere: bool = rows.first().ok_or_else(StoreError::internal)?.try_get(0)?;
        Ok(!elsewhere)
    }

    /// What `runner` does next at a redrive.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn next_of_redrive(&self, redrive_id: i64, runner: Uuid) -> Result<Next, StoreError> {
        let session = Session::open(self).await?;
        let steps = vec![
            Step::new(STEP).with(redrive_id).with(runner),
            Step::new(WAITING).with(redrive_id),
            Step::new(DONE).with(redrive_id).with(runner),
        ];
        let answers = session.pipeline(steps, false).await?;
        session.done();
        let [ours, waiting, _] = &answers[..] else { return Err(StoreError::internal()) };
        Ok(match (ours.first(), waiting.first()) {
            (None, _) => Next::Stopped,
            (Some(_), None) => Next::Done,
            (Some(_), Some(row)) => Next::Item(Item { id: row.try_get(0)?, times: row.try_get(1)? }),
        })
    }

    /// Notes that a dead letter of a redrive stays as it is, and why; `settled` if there was nothing to do.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn not_redriven(
        &self,
        redrive_id: i64,
        id: i64,
        settled: bool,
        outcome: String,
    ) -> Result<(), StoreError> {
        let session = Session::open(self).await?;
        let state = if settled { "settled" } else { "failed" };
        session.pipeline(vec![item((redrive_id, id), state, outcome)], false).await?;
        session.done();
        Ok(())
    }
}
