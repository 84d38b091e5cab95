//! Lane `alerts`: tells people of dangerous answers.
//!
//! A message is a wake-up: it claims its alert's row, tells whoever is to be told now, and is acked once
//! that is recorded. Rows that are due without a message (the broker was away, a channel failed, nobody has
//! acknowledged) are claimed every second by [`due`]. With PostgreSQL away a message tells the people of
//! the first level at once, and is parked with what it told until that can be recorded.

#[cfg(test)]
mod believed;
pub(crate) mod channels;
pub(crate) mod due;
mod email;
mod ladder;
mod memory;
pub(crate) mod notice;
mod park;
mod sms;
pub(crate) mod teller;

use std::sync::Arc;
use std::time::Duration;

use epro_broker::{Delivery, Publisher};
use epro_process::shutdown::Shutdown;
use epro_process::traces::Context;
use epro_schemas::alert::AlertMessage;
use epro_store::StoreError;
use epro_store::alerts::Target;
use epro_store::dead_letters::Class;
use epro_store::follow_ons::AlertFollowOn;
use futures_util::future::join_all;

use crate::chains::Chains;
use crate::failure::{Disposition, Failure};
use crate::hold::Hold;
use crate::in_flight::{InFlight, guarded};
use crate::lane::{Chunk, Handled, Work};
use crate::said::said;
use crate::seldom::Seldom;
use crate::settling::Settling;
use crate::submissions::route::Route;
use teller::Teller;

const LANE: &str = "alerts";
/// How long PostgreSQL may take to answer before people are told without it.
const ANSWER: Duration = Duration::from_secs(2);

/// An outage concerns every message.
static WITHOUT_STORE: Seldom = Seldom::new();

/// The work of `epro.alerts`.
pub(crate) struct Alerts {
    pub teller: Arc<Teller>,
    pub publisher: Publisher,
    pub hold: Hold,
    pub chains: Chains,
    pub route: Arc<Route>,
    pub shutdown: Shutdown,
    /// How long a message waits for the key that sealed it. Its row is told all the same.
    pub wait_budget: Duration,
}

impl Work for Alerts {
    async fn handle(self: Arc<Self>, chunk: Chunk) -> Handled {
        let mut handled = Handled::default();
        let live = chunk.deliveries.into_iter().filter(Delivery::is_live).enumerate();
        let (mut known, mut unread) = (Vec::new(), Vec::new());
        for (place, delivery) in live {
            let one = InFlight::new(delivery, place, LANE);
            match guarded(|| said::<AlertMessage>(&one.delivery, &self.route.keys.seal)) {
                Ok(message) => known.push((one, message)),
                Err(failure) => unread.push((one, failure)),
            }
        }
        let work = &self;
        let each = known.into_iter().map(async |(one, message)| (one.place, work.one(one, message).await));
        for (place, undone) in join_all(each).await {
            match undone {
                None => handled.settled(place, None),
                Some(one) => handled.undone.push(one.delivery),
            }
        }
        for (one, failure) in unread {
            self.dispose(one, &failure, &mut handled).await;
        }
        handled
    }
}

impl Alerts {
    /// Gives it back if nothing can be done now.
    async fn one(&self, one: InFlight, message: AlertMessage) -> Option<InFlight> {
        let alert = follow_on(&message);
        let told: Vec<Target> = message.told.iter().filter_map(|told| target(told)).collect();
        match self.with_store(&alert, &told, one.span.context()).await {
            Ok(receipt) => {
                one.delivery.ack(&receipt);
                None
            }
            Err(_) if self.shutdown.is_requested() => Some(one),
            Err(error) => {
                if WITHOUT_STORE.is_due() {
                    tracing::warn!(%error, "PostgreSQL can't say who was told: the first level is told without it");
                }
                self.without_store(one, message, &alert, told).await
            }
        }
    }

    async fn with_store(
        &self,
        alert: &AlertFollowOn,
        told: &[Target],
        within: Option<Context>,
    ) -> Result<epro_store::Committed, StoreError> {
        let claimed = async {
            self.teller.record_told(alert.alert_id, told).await?;
            self.teller.claim(alert).await
        };
        let (receipt, claim) =
            tokio::time::timeout(ANSWER, claimed).await.unwrap_or(Err(StoreError::SILENT))?;
        match claim {
            // Somebody else is at it, or nothing is due: the row will be told without this message.
            None => Ok(receipt),
            Some(claim) => self.teller.tell(claim, within).await,
        }
    }

    /// Tells the first level, unless they were told, and parks the message with what it told.
    async fn without_store(
        &self,
        one: InFlight,
        mut message: AlertMessage,
        alert: &AlertFollowOn,
        told: Vec<Target>,
    ) -> Option<InFlight> {
        self.teller.remember(alert.alert_id, &told);
        let all = self.teller.tell_unwritten(alert, one.span.context()).await;
        message.told = all.iter().map(|target| format!("{}:{}", target.channel, target.recipient)).collect();
        match park::park(&one.delivery, &message, &self.route.keys.seal, &self.publisher).await {
            Ok(receipt) => {
                one.delivery.ack(&receipt);
                None
            }
            Err(error) => {
                tracing::debug!(%error, "an alert can't be parked now");
                Some(one)
            }
        }
    }

    /// What tells nothing: it waits for its key, or is set aside.
    async fn dispose(&self, one: InFlight, failure: &Failure, handled: &mut Handled) {
        let settling = self.settling();
        let given_up = match failure.disposition() {
            Disposition::Wait(_) if one.may_wait(self.wait_budget) => Some(one),
            Disposition::SetAside(class) | Disposition::Wait(class) => {
                settling.set_aside(one, failure, class, None, handled).await
            }
            // Whoever reads it again panics again, and nobody counts the starts of an alert's message.
            Disposition::Requeue => {
                settling.set_aside(one, &Failure::Foreign, Class::Unreadable, None, handled).await
            }
        };
        let given_up = settling.park_all(given_up.into_iter().collect()).await;
        handled.undone.extend(given_up.into_iter().map(|one| one.delivery));
    }

    fn settling(&self) -> Settling<'_> {
        Settling {
            lane: LANE,
            counted: "epro_alert_messages_total",
            route: &self.route,
            store: &self.teller.store,
            publisher: &self.publisher,
            chains: &self.chains,
            // Nothing may fill the prefetch while PostgreSQL is away: then it waits, as the others do.
            hold: self.hold.brief(),
            parking: self.hold.brief(),
        }
    }
}

fn follow_on(message: &AlertMessage) -> AlertFollowOn {
    AlertFollowOn {
        alert_id: message.alert_id,
        submission_id: message.submission_id,
        site_id: message.site_id.clone(),
        study_id: message.study_id.clone(),
        rule: message.rule.clone(),
        severity: message.severity.to_string(),
        received_at: message.received_at,
    }
}

fn target(told: &str) -> Option<Target> {
    let (channel, recipient) = told.split_once(':')?;
    Some(Target { channel: channel.to_owned(), recipient: recipient.to_owned() })
}
