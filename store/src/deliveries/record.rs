//! What became of a call: the delivery's row, a row for the call, and where something ended for good an
//! audit row, in one transaction.

use super::DeliveryKey;
use crate::audit::{Actor, AuditChain, AuditFacts, Record};
use crate::dead_letters::{self, DeadLetter};
use crate::error::StoreError;
use crate::pool::Store;
use crate::step::Step;
use crate::submissions::Committed;
use crate::suspects;
use crate::transaction::Transaction;
use serde_json::json;
use std::time::Duration;
use uuid::Uuid;

macro_rules! move_delivery {
    ($set:literal) => {
        concat!(
            "UPDATE ops.delivery SET ",
            $set,
            ", state_at = now(), last_outcome = $4, last_detail = $5, last_at = clock_timestamp() ",
            "WHERE submission_id = $1 AND pseudonym = $2 AND generation = $3 ",
            "AND state IN ('queued', 'unsent', 'waits')"
        )
    };
}

const DONE: &str = move_delivery!("state = 'done'");

const WAITS: &str = move_delivery!(
    "state = 'waits', attempts = attempts + $6::boolean::integer, failed_at = clock_timestamp()"
);

const SET_ASIDE: &str = move_delivery!("state = 'set_aside', attempts = attempts + $6::boolean::integer");

const ATTEMPT: &str = "\
INSERT INTO ops.delivery_attempt (submission_id, pseudonym, generation, site_id, outcome, detail, \
    duration_ms, charged, owner, trace_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

/// A call, or, with no duration, what was decided without one.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The delivery.
    pub key: DeliveryKey,
    /// The hospital's site.
    pub site_id: &'a str,
    /// The submission's study, if it is known.
    pub study_id: Option<&'a str>,
    /// `taken`, `refused`, `denied`, `busy`, `silent`, or a class of dead letters.
    pub outcome: &'a str,
    /// What the hospital answered, redacted.
    pub detail: &'a str,
    /// How long the call took; `None`: there was none.
    pub took: Option<Duration>,
    /// Whether the try is charged to the delivery.
    pub charged: bool,
    /// The replica that made it.
    pub owner: Uuid,
    /// The W3C trace id of its way.
    pub trace_id: Option<&'a str>,
}

impl<'a> Call<'a> {
    fn moves(&self, sql: &'static str) -> Step<'a> {
        self.key.asks(sql).with(self.key.generation).with(self.outcome).with(self.detail)
    }

    fn attempt(&self) -> Option<Step<'a>> {
        let took = self.took?;
        let milliseconds = i32::try_from(took.as_millis()).unwrap_or(i32::MAX);
        let step = self.key.asks(ATTEMPT).with(self.key.generation).with(self.site_id);
        let step = step.with(self.outcome).with(self.detail).with(milliseconds).with(self.charged);
        Some(step.with(self.owner).with(self.trace_id))
    }

    fn facts(&self) -> AuditFacts {
        let by = AuditFacts::by(Actor::System("epro-worker".to_owned()));
        AuditFacts { trace_id: self.trace_id.map(str::to_owned), ..by }
    }

    fn record<'r>(&'r self, action: &'r str, outcome: &'r str, facts: &'r AuditFacts) -> Record<'r> {
        let details = json!({ "answer": self.detail, "generation": self.key.generation });
        Record {
            submission_id: Some(self.key.submission_id),
            pseudonym: Some(self.key.pseudonym),
            site_id: Some(self.site_id),
            study_id: self.study_id,
            ..Record::about(action, outcome, facts, Some(details.to_string()))
        }
    }
}

impl Store {
    /// The hospital has it.
    ///
    /// # Errors
    /// As every [`StoreError`]; done again it writes one more row for the call.
    pub async fn delivered(
        &self,
        chain: &mut AuditChain,
        call: Call<'_>,
        suspect: Option<Uuid>,
    ) -> Result<Committed, StoreError> {
        let facts = call.facts();
        let record = call.record("delivery.done", "ok", &facts);
        let steps = std::iter::once(call.moves(DONE)).chain(call.attempt());
        let steps = steps.chain(suspect.map(suspects::forget)).collect();
        Transaction::begin(self, chain).await?.commit(steps, &[record]).await
    }

    /// It failed and waits to be tried again.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn delivery_waits(
        &self,
        chain: &mut AuditChain,
        call: Call<'_>,
        suspect: Option<Uuid>,
    ) -> Result<Committed, StoreError> {
        let steps = std::iter::once(call.moves(WAITS).with(call.charged)).chain(call.attempt());
        let steps = steps.chain(suspect.map(suspects::forget)).collect();
        Transaction::begin(self, chain).await?.commit(steps, &[]).await
    }

    /// It will not be tried again: a dead letter.
    ///
    /// # Errors
    /// As every [`StoreError`]; done again it counts the dead letter once more.
    pub async fn set_delivery_aside(
        &self,
        chain: &mut AuditChain,
        call: Call<'_>,
        dead_letter: &DeadLetter,
        suspect: Option<Uuid>,
    ) -> Result<Committed, StoreError> {
        let facts = call.facts();
        let record = call.record("delivery.set_aside", dead_letter.class.as_str(), &facts);
        let steps = std::iter::once(call.moves(SET_ASIDE).with(call.charged)).chain(call.attempt());
        let steps = steps.chain(dead_letters::insert(std::slice::from_ref(dead_letter)));
        let steps = steps.chain(suspect.map(suspects::forget)).collect();
        Transaction::begin(self, chain).await?.commit(steps, &[record]).await
    }
}
