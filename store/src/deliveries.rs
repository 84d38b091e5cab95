//! A delivery's way to its hospital: what is to be sent, and what became of each call.

mod due;
mod record;

pub use due::{Begun, Due};
pub use record::Call;

use crate::audit::{AuditChain, AuditFacts, Record};
use crate::error::StoreError;
use crate::follow_ons::DeliveryFollowOn;
use crate::pool::Store;
use crate::step::Step;
use crate::transaction::Transaction;
use serde_json::json;
use tokio_postgres::Row;
use uuid::Uuid;

/// Names one delivery, and the message that asks for it: one of an older generation has no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryKey {
    /// The submission to deliver.
    pub submission_id: Uuid,
    /// Its subject's pseudonym.
    pub pseudonym: Uuid,
    /// Of the message.
    pub generation: i32,
}

impl DeliveryKey {
    fn asks(self, sql: &'static str) -> Step<'static> {
        Step::new(sql).with(self.submission_id).with(self.pseudonym)
    }
}

/// What a redrive found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewed {
    /// The row has a new generation and says `unsent`: publish it, or the relay will.
    Now(DeliveryFollowOn),
    /// It is over: `done` or `superseded`. Nothing was changed.
    Over(String),
    /// There is no such delivery.
    Absent,
}

const RENEW: &str = "\
UPDATE ops.delivery SET generation = generation + 1, state = 'unsent', state_at = now(), attempts = 0, \
    failed_at = NULL \
WHERE submission_id = $1 AND pseudonym = $2 AND state NOT IN ('done', 'superseded') \
RETURNING submission_id, pseudonym, site_id, generation";

const STATE: &str = "SELECT state FROM ops.delivery WHERE submission_id = $1 AND pseudonym = $2";

impl Store {
    /// Gives a delivery a new generation, with new budgets, to be sent once more, audited in the same
    /// transaction: what an older message still asks for has no effect.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn renew_delivery(
        &self,
        chain: &mut AuditChain,
        (submission_id, pseudonym): (Uuid, Uuid),
        by: impl Into<AuditFacts>,
        reason: &str,
    ) -> Result<Renewed, StoreError> {
        let key = DeliveryKey { submission_id, pseudonym, generation: 0 };
        let facts = by.into();
        let mut transaction = Transaction::begin(self, chain).await?;
        let answers = transaction.run(vec![key.asks(RENEW), key.asks(STATE)]).await?;
        let [renewed, state] = &answers[..] else {
            return Err(StoreError::internal());
        };
        let Some(row) = renewed.first() else {
            transaction.commit(Vec::new(), &[]).await?;
            return state.first().map_or(Ok(Renewed::Absent), |row| Ok(Renewed::Over(row.try_get(0)?)));
        };
        let follow_on = DeliveryFollowOn::of(row)?;
        let details = json!({ "generation": follow_on.generation, "reason": reason });
        let record = Record {
            submission_id: Some(submission_id),
            pseudonym: Some(pseudonym),
            site_id: Some(&follow_on.site_id),
            ..Record::about("delivery.renewed", "ok", &facts, Some(details.to_string()))
        };
        transaction.commit(Vec::new(), &[record]).await?;
        Ok(Renewed::Now(follow_on))
    }
}

fn first(answers: &[Vec<Row>], at: usize) -> Option<&Row> {
    answers.get(at).and_then(|rows| rows.first())
}
