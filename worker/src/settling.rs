//! What a lane does with a message that doesn't succeed: set it aside, park it.

use epro_broker::{Publisher, Tier};
use epro_store::Store;
use epro_store::dead_letters::{Class, DeadLetter};
use futures_util::future::join_all;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::chains::Chains;
use crate::failure::Failure;
use crate::hold::{GivenUp, Hold, until_done};
use crate::in_flight::{InFlight, bare};
use crate::lane::Handled;
use crate::park::park;
use crate::starts::key_of_waited;
use crate::submissions::route::Route;

/// The longest wait of a message. While two versions of the worker run, each try meets the one that knows its
/// instrument half of the time: in 24 hours there must be many tries, not ten.
const LONGEST_WAIT: Tier = Tier::M10;

/// What a lane needs for that.
pub(crate) struct Settling<'a> {
    pub lane: &'static str,
    /// The counter of what became of its messages.
    pub counted: &'static str,
    pub route: &'a Route,
    pub store: &'a Store,
    pub publisher: &'a Publisher,
    pub chains: &'a Chains,
    /// How long PostgreSQL may be away.
    pub hold: Hold,
    /// How long a message may try to be parked.
    pub parking: Hold,
}

impl Settling<'_> {
    /// A dead letter, then ack. Where PostgreSQL refuses even that, it waits, so that it wedges nobody.
    /// Gives it back if nothing can be done now.
    pub(crate) async fn set_aside(
        &self,
        mut one: InFlight,
        failure: &Failure,
        class: Class,
        suspect: Option<Uuid>,
        handled: &mut Handled,
    ) -> Option<InFlight> {
        let Some(letter) = one.dead_letter(failure, class, self.route) else {
            return Some(one);
        };
        let message_id = letter.message_id;
        let suspect = suspect.or_else(|| key_of_waited(&one.delivery));
        match self.write(letter, suspect).await {
            Ok(receipt) => {
                tracing::warn!(
                    lane = self.lane,
                    class = class.as_str(),
                    stage = failure.stage(),
                    ?message_id,
                    trace_id = one.trace_id(),
                    "set aside: {}",
                    failure.rule()
                );
                one.span.failed(class.as_str());
                self.count(class.as_str());
                count_dead_letters(self.lane, 1);
                one.delivery.ack(&receipt);
                handled.settled(one.place, Some(class.as_str()));
                None
            }
            // What the broker gave up on would come back without the name of its queue.
            Err(GivenUp::Row(_)) if !one.is_terminal() => self.park_all(vec![one]).await.pop(),
            Err(_) => Some(one),
        }
    }

    async fn write(
        &self,
        letter: DeadLetter,
        suspect: Option<Uuid>,
    ) -> Result<epro_store::Committed, GivenUp> {
        let mut chain = self.chains.take().await;
        let mut letters = [letter];
        let mut written =
            until_done!(self.hold, "dead letter", self.store.set_aside(chain.chain(), &letters, suspect));
        if let Err(GivenUp::Row(error)) = &written {
            tracing::error!(lane = self.lane, %error, "PostgreSQL refuses a dead letter: this is a defect");
            letters = letters.map(bare);
            written =
                until_done!(self.hold, "dead letter", self.store.set_aside(chain.chain(), &letters, suspect));
        }
        // One letter, one receipt.
        written?.pop().ok_or(GivenUp::HoldOver)
    }

    /// Parks them at once, attempts unchanged, and acks each. Gives back what can't be parked now.
    pub(crate) async fn park_all(&self, waiting: Vec<InFlight>) -> Vec<InFlight> {
        let parked = waiting.into_iter().map(async |one| {
            let tier = Tier::after(one.delivery.headers().waits).min(LONGEST_WAIT);
            let receipt = park(&one.delivery, tier, false, self.publisher, &self.parking).await;
            (one, receipt)
        });
        let mut undone = Vec::new();
        for (mut one, receipt) in join_all(parked).await {
            let Some(receipt) = receipt else {
                undone.push(one);
                continue;
            };
            self.count("waits");
            one.span.outcome("waits");
            one.delivery.ack(&receipt);
        }
        undone
    }

    fn count(&self, outcome: &'static str) {
        metrics::counter!(self.counted, "lane" => self.lane, "outcome" => outcome).increment(1);
    }
}

/// Counts what a lane set aside.
pub(crate) fn count_dead_letters(lane: &'static str, more: u64) {
    metrics::counter!("epro_dead_letters_total", "lane" => lane).increment(more);
}

/// Unix milliseconds.
pub(crate) fn now() -> i64 {
    i64::try_from(OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}
