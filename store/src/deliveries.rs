//! A delivery's way to its hospital: what is to be sent, and what became of each call.

mod due;
mod record;

pub use due::{Begun, Due};
pub use record::Call;

use crate::error::StoreError;
use crate::pool::Store;
use crate::session::Session;
use crate::step::Step;
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
    Now(crate::follow_ons::DeliveryFollowOn),
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
    /// Gives a delivery a new generation, with new budgets, to be sent once more: what an older message
    /// still asks for has no effect.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn renew_delivery(&self, submission_id: Uuid, pseudonym: Uuid) -> Result<Renewed, StoreError> {
        let key = DeliveryKey { submission_id, pseudonym, generation: 0 };
        let session = Session::open(self).await?;
        let answers = session.pipeline(vec![key.asks(RENEW), key.asks(STATE)], false).await?;
        session.done();
        let [renewed, state] = &answers[..] else {
            return Err(StoreError::internal());
        };
        match (renewed.first(), state.first()) {
            (Some(row), _) => Ok(Renewed::Now(crate::follow_ons::DeliveryFollowOn::of(row)?)),
            (None, Some(row)) => Ok(Renewed::Over(row.try_get(0)?)),
            (None, None) => Ok(Renewed::Absent),
        }
    }
}

fn first<'r>(answers: &'r [Vec<Row>], at: usize) -> Option<&'r Row> {
    answers.get(at).and_then(|rows| rows.first())
}
