//! What becomes of messages that can't be stored: their alerts first, then dead letter, wait or requeue.

use std::time::Duration;

use epro_store::follow_ons::{AlertFollowOn, FollowOn};
use uuid::Uuid;

use super::follow_on::Parents;
use super::places::Places;
use super::{Submissions, follow_on};
use crate::failure::{Disposition, Failure};
use crate::hold::{GivenUp, until_done};
use crate::in_flight::InFlight;
use crate::lane::Handled;
use crate::seldom::Seldom;
use crate::settling::now;
use crate::starts::Start;
use crate::streak::Streak;

static UNTOLD: Seldom = Seldom::new();

impl Submissions {
    /// Alerts what has to be alerted, then settles each by its verdict.
    pub(super) async fn dispose(
        &self,
        mut failed: Vec<(InFlight, Failure)>,
        start: Option<&mut Start>,
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
        let (settling, suspect) = (self.settling(), start.as_deref().map(Start::key));
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
                Disposition::SetAside(class) => {
                    settling.set_aside(one, &failure, class, suspect, handled).await
                }
                Disposition::Wait(_) => {
                    waiting.push(one);
                    None
                }
                Disposition::Requeue => {
                    tracing::warn!(
                        lane = self.lane,
                        stage = failure.stage(),
                        trace_id = one.trace_id(),
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
            undone.extend(settling.park_all(waiting).await);
            if let Some(start) = start {
                start.acquit();
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
    pub(super) async fn raise(&self, failed: impl Iterator<Item = &InFlight>) -> Result<(), GivenUp> {
        let mut parents = Parents::default();
        let alerts: Vec<(AlertFollowOn, Uuid)> = failed
            .inspect(|one| parents.add(one))
            .flat_map(|one| with_subject(one, &self.route.places))
            .collect();
        if alerts.is_empty() {
            return Ok(());
        }
        let hold = self.hold();
        let due = until_done!(hold, "alerts", self.store.raise_alerts(&alerts))?;
        follow_on::send(due, &parents, self.out(), &self.store, &hold).await
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
        let unparked = self.settling().park_all(told).await;
        handled.undone.extend(unparked.into_iter().map(|one| one.delivery));
    }

    /// With PostgreSQL away the alert goes to its queue without a row; lane `alerts` writes the row later.
    async fn tell_without_store(&self, one: &InFlight) -> bool {
        let parents = Parents::of([one]);
        for alert in one.alerts(&self.route.places) {
            let alert = FollowOn::Alert(alert);
            if let Err(error) = follow_on::publish_one(&alert, &parents, self.out()).await {
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

/// The alerts of a message with the pseudonym of its subject, as far as it is known.
fn with_subject(one: &InFlight, places: &Places) -> impl Iterator<Item = (AlertFollowOn, Uuid)> + use<> {
    let subject = one.known.pseudonym;
    one.alerts(places).into_iter().map(move |alert| {
        let subject = subject.unwrap_or(alert.submission_id);
        (alert, subject)
    })
}
