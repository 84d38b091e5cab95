//! What becomes of questions that were not answered: parked, set aside, or given back.

use std::sync::Arc;
use std::time::Duration;

use epro_broker::Tier;
use epro_store::audit::{Actor, AuditFacts};
use epro_store::dead_letters::Class;
use uuid::Uuid;

use super::{LANE, Risk};
use crate::failure::{Disposition, Failure};
use crate::hold::until_done;
use crate::in_flight::InFlight;
use crate::lane::Handled;
use crate::park::park;
use crate::settling::{Settling, count_dead_letters, now};
use crate::starts::key_of_waited;

/// A model that is back finds its questions within minutes, however long it was away.
const LONGEST_WAIT: Tier = Tier::M10;

/// What became of a question.
pub(super) enum Fate {
    /// It is acked; its place in the chunk, and why.
    Settled(usize, &'static str),
    /// It is asked again after this tier, or one that fits how often it has waited.
    Waits(InFlight, Tier),
    /// It goes through the failure table.
    Failed(InFlight, Failure),
    /// PostgreSQL is away for longer than a hold, or the lane leaves.
    Undone(InFlight),
}

impl Risk {
    pub(super) async fn settle(&self, fate: Fate, suspect: Option<Uuid>, handled: &mut Handled) {
        let undone = match fate {
            Fate::Settled(place, outcome) => {
                count(outcome);
                handled.settled(place, None);
                None
            }
            Fate::Waits(one, tier) => self.wait(one, tier, handled).await,
            Fate::Failed(one, failure) => match failure.disposition() {
                Disposition::Wait(_) if self.may_wait(&one) => self.wait(one, Tier::S5, handled).await,
                Disposition::SetAside(class) | Disposition::Wait(class) => {
                    self.set_aside(one, &failure, class, suspect, handled).await
                }
                Disposition::Requeue => {
                    tracing::warn!(lane = LANE, "gave a delivery back: {}", failure.rule());
                    one.delivery.requeue();
                    None
                }
            },
            Fate::Undone(one) => Some(one),
        };
        handled.undone.extend(undone.map(|one| one.delivery));
    }

    async fn wait(&self, one: InFlight, at_least: Tier, handled: &mut Handled) -> Option<InFlight> {
        let tier = Tier::after(one.delivery.headers().waits).max(at_least).min(LONGEST_WAIT);
        let Some(receipt) = park(&one.delivery, tier, false, &self.publisher, &self.hold).await else {
            return Some(one);
        };
        count("waits");
        one.delivery.ack(&receipt);
        handled.settled(one.place, None);
        None
    }

    /// A dead letter, and a row that says so.
    async fn set_aside(
        &self,
        mut one: InFlight,
        failure: &Failure,
        class: Class,
        suspect: Option<Uuid>,
        handled: &mut Handled,
    ) -> Option<InFlight> {
        let (Some(submission_id), Some(pseudonym)) = (one.known.submission_id, one.known.pseudonym) else {
            return self.settling().set_aside(one, failure, class, suspect, handled).await;
        };
        one.known.facts = Some(Arc::new(AuditFacts::by(Actor::System("epro-worker".to_owned()))));
        let Some(letter) = one.dead_letter(failure, class, &self.route) else { return Some(one) };
        let suspect = suspect.or_else(|| key_of_waited(&one.delivery));
        let mut chain = self.chains.take().await;
        let recorded = until_done!(
            self.hold,
            "dead letter",
            self.store.set_risk_aside(chain.chain(), (submission_id, pseudonym), &letter, suspect)
        );
        drop(chain);
        let Ok(receipt) = recorded else {
            // PostgreSQL refuses it, or is away: without what came from outside it may take it.
            return self.settling().set_aside(one, failure, class, suspect, handled).await;
        };
        let message_id = one.delivery.message_id();
        let (class_name, trace_id) = (class.as_str(), one.trace_id());
        tracing::warn!(
            lane = LANE,
            class = class_name,
            ?message_id,
            trace_id,
            "set aside: {}",
            failure.rule()
        );
        one.span.failed(class_name);
        count(class.as_str());
        count_dead_letters(LANE, 1);
        one.delivery.ack(&receipt);
        handled.settled(one.place, Some(class.as_str()));
        None
    }

    fn may_wait(&self, one: &InFlight) -> bool {
        let Some(since) = one.delivery.headers().waiting_since else { return true };
        let waited = u64::try_from(now().saturating_sub(since)).unwrap_or(0);
        Duration::from_millis(waited) < self.wait_budget
    }

    pub(super) fn settling(&self) -> Settling<'_> {
        Settling {
            lane: LANE,
            counted: "epro_risk_questions_total",
            route: &self.route,
            store: &self.store,
            publisher: &self.publisher,
            chains: &self.chains,
            hold: self.hold.clone(),
            parking: self.hold.clone(),
        }
    }
}

fn count(outcome: &'static str) {
    metrics::counter!("epro_risk_questions_total", "lane" => LANE, "outcome" => outcome).increment(1);
}
