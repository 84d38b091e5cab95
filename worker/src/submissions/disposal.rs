//! What becomes of messages that can't be stored: their alerts first, then dead letter, wait or requeue.

use std::time::Duration;

use epro_broker::{Confirmed, Publisher, Tier, wait};
use epro_store::dead_letters::Class;
use epro_store::follow_ons::{AlertFollowOn, FollowOn};
use futures_util::future::join_all;
use time::OffsetDateTime;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Submissions, follow_on};
use crate::backoff;
use crate::failure::{Disposition, Failure};
use crate::hold::{GivenUp, Hold, until_done};
use crate::in_flight::InFlight;
use crate::lane::Handled;
use crate::seldom::Seldom;
use crate::streak::Streak;

/// The longest wait of a submission. While two versions of the worker run, each try meets the one that
/// knows its instrument half of the time: in 24 hours there must be many tries, not ten.
const LONGEST_WAIT: Tier = Tier::M10;
/// How long parking a message may take before it is tried again: a tier's confirm was seen to take 5 s.
const PARK: Duration = Duration::from_secs(15);

/// A broker that is away parks nothing, and each message tries again and again.
static UNPARKED: Seldom = Seldom::new();
static UNTOLD: Seldom = Seldom::new();

impl Submissions {
    /// Alerts what has to be alerted, then settles each by its verdict.
    pub(super) async fn dispose(
        &self,
        mut failed: Vec<(InFlight, Failure)>,
        suspect: Option<Uuid>,
        handled: &mut Handled,
    ) {
        if failed.is_empty() {
            return;
        }
        // The alerts of a message whose base is absent were written and sent with the chunk.
        let untold = failed.iter().filter(|(_, failure)| *failure != Failure::BaseAbsent);
        if self.raise(untold.map(|(one, _)| one)).await.is_err() {
            let all = failed.into_iter().map(|(one, _)| one).collect();
            return self.not_now(all, handled).await;
        }
        failed.sort_by_key(|(one, _)| one.place);
        let (mut undone, mut waiting) = (Vec::new(), Vec::new());
        for (one, failure) in failed {
            let given_up = match self.verdict(&one, &failure) {
                // So many in a row are not the messages' fault: the lane is about to pause itself.
                Disposition::SetAside(_)
                    if Streak::new(self.streak).ended_by(handled.classes()).is_some() =>
                {
                    handled.undone.push(one.delivery);
                    None
                }
                Disposition::SetAside(class) => self.set_aside(one, &failure, class, suspect, handled).await,
                Disposition::Wait(_) => {
                    handled.settled(one.place, None);
                    waiting.push(one);
                    None
                }
                Disposition::Requeue => {
                    tracing::warn!(
                        lane = self.lane,
                        stage = failure.stage(),
                        "gave a delivery back: {}",
                        failure.rule()
                    );
                    one.delivery.requeue();
                    None
                }
            };
            undone.extend(given_up);
        }
        if !waiting.is_empty() {
            undone.extend(self.park_all(waiting, handled).await);
            if let Some(key) = suspect {
                self.survived(key).await;
            }
        }
        self.not_now(undone, handled).await;
    }

    /// A wait that has lasted longer than its budget is over.
    fn verdict(&self, one: &InFlight, failure: &Failure) -> Disposition {
        let disposition = failure.disposition();
        let Disposition::Wait(class) = disposition else { return disposition };
        let since = one.delivery.headers().waiting_since.unwrap_or_else(now);
        let waited = Duration::from_millis(u64::try_from(now().saturating_sub(since)).unwrap_or(0));
        if waited > self.wait_budget { Disposition::SetAside(class) } else { disposition }
    }

    /// Writes the alert rows of messages that have no other row, and publishes them.
    async fn raise(&self, failed: impl Iterator<Item = &InFlight>) -> Result<(), GivenUp> {
        let alerts: Vec<(AlertFollowOn, Uuid)> = failed.flat_map(with_subject).collect();
        if alerts.is_empty() {
            return Ok(());
        }
        let hold = self.hold();
        let due = until_done!(hold, "alerts", self.store.raise_alerts(&alerts))?;
        follow_on::send(due, &self.publisher, &self.store, &hold).await
    }

    /// A dead letter, then ack. Gives the delivery back if that can't be had now.
    async fn set_aside(
        &self,
        one: InFlight,
        failure: &Failure,
        class: Class,
        suspect: Option<Uuid>,
        handled: &mut Handled,
    ) -> Option<InFlight> {
        let Some(dead_letter) = one.dead_letter(failure, class, &self.route.keys.seal) else {
            return Some(one);
        };
        let mut chain = self.chains.take().await;
        let dead_letters = [dead_letter];
        let set_aside = until_done!(
            self.hold(),
            "dead letter",
            self.store.set_aside(chain.chain(), &dead_letters, suspect)
        );
        match set_aside {
            Ok(receipts) => {
                let [dead_letter] = dead_letters;
                tracing::warn!(
                    lane = self.lane,
                    class = class.as_str(),
                    stage = failure.stage(),
                    message_id = ?dead_letter.message_id,
                    "set aside: {}", failure.rule()
                );
                metrics::counter!("epro_submissions_total", "lane" => self.lane, "outcome" => class.as_str())
                    .increment(1);
                if let Some(receipt) = receipts.first() {
                    one.delivery.ack(receipt);
                }
                handled.settled(one.place, Some(class.as_str()));
                None
            }
            Err(given_up) => {
                if let GivenUp::Row(error) = given_up {
                    tracing::error!(lane = self.lane, %error, "PostgreSQL refuses a dead letter: this is a defect");
                }
                Some(one)
            }
        }
    }

    /// Parks them at once, attempts unchanged, and acks each. Gives back what can't be parked now.
    async fn park_all(&self, waiting: Vec<InFlight>, handled: &mut Handled) -> Vec<InFlight> {
        let parked = waiting.into_iter().map(async |one| {
            let receipt = park(&one, &self.publisher, &self.hold).await;
            (one, receipt)
        });
        let mut undone = Vec::new();
        for (one, receipt) in join_all(parked).await {
            let Some(receipt) = receipt else {
                undone.push(one);
                continue;
            };
            metrics::counter!("epro_submissions_total", "lane" => self.lane, "outcome" => "waits")
                .increment(1);
            one.delivery.ack(&receipt);
            handled.settled(one.place, None);
        }
        undone
    }

    /// What can't be decided now: given back, or, if it is dangerous, told to a human and parked.
    pub(super) async fn not_now(&self, undone: Vec<InFlight>, handled: &mut Handled) {
        let mut told = Vec::new();
        for one in undone {
            if self.urgent && !self.hold.shutdown.is_requested() && self.tell_without_store(&one).await {
                told.push(one);
            } else {
                handled.undone.push(one.delivery);
            }
        }
        let unparked = self.park_all(told, handled).await;
        handled.undone.extend(unparked.into_iter().map(|one| one.delivery));
    }

    /// With PostgreSQL away the alert goes to its queue without a row; lane `alerts` writes the row later.
    async fn tell_without_store(&self, one: &InFlight) -> bool {
        for alert in one.alerts() {
            if let Err(error) = follow_on::publish_one(&FollowOn::Alert(alert), &self.publisher).await {
                metrics::counter!("epro_alerts_untold_total").increment(1);
                if UNTOLD.is_due() {
                    tracing::error!(lane = self.lane, %error, "an alert can neither be stored nor published now");
                }
                return false;
            }
        }
        true
    }
}

/// Publishes it to the next wait tier, as often as it takes within the hold.
async fn park(one: &InFlight, publisher: &Publisher, hold: &Hold) -> Option<Confirmed> {
    let tier = Tier::after(one.delivery.headers().waits).min(LONGEST_WAIT);
    let since = Instant::now();
    for delay in backoff::steady() {
        match publisher.publish_within(wait::parked(&one.delivery, tier, now()), PARK).await {
            Ok(receipt) => return Some(receipt),
            Err(error) if UNPARKED.is_due() => {
                tracing::warn!(%error, tier = tier.name(), "can't be parked now");
            }
            Err(_) => {}
        }
        if since.elapsed() > hold.at_most {
            return None;
        }
        tokio::select! {
            () = hold.shutdown.requested() => return None,
            () = tokio::time::sleep(delay) => {}
        }
    }
    None
}

/// The alerts of a message with the pseudonym of its subject, as far as it is known.
fn with_subject(one: &InFlight) -> impl Iterator<Item = (AlertFollowOn, Uuid)> {
    let subject = one.known.pseudonym;
    one.alerts().into_iter().map(move |alert| {
        let subject = subject.unwrap_or(alert.submission_id);
        (alert, subject)
    })
}

fn now() -> i64 {
    i64::try_from(OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}
