//! What is received for one hospital and not under way.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use epro_broker::Delivery;
use epro_schemas::alert::DeliveryMessage;
use epro_schemas::seal::KeyRing;
use tokio::task::Id;
use tokio::time::Instant;
use uuid::Uuid;

use crate::failure::Failure;
use crate::said::said;

/// A delivery in hand.
pub(crate) struct Held {
    pub delivery: Delivery,
    pub message: DeliveryMessage,
    /// Since when it is in hand.
    pub since: Instant,
}

/// What came out of a hospital's queue.
pub(crate) enum Read {
    /// A delivery for it.
    Ours(Held),
    /// Something else, or one that can't be opened (yet).
    Unread(Delivery, Failure),
}

impl Read {
    /// Takes a delivery in hand, if it is one for `site`.
    pub(crate) fn of(delivery: Delivery, site: &str, ring: &KeyRing) -> Self {
        match said::<DeliveryMessage>(&delivery, ring) {
            Ok(message) if message.site_id == site => {
                Self::Ours(Held { delivery, message, since: Instant::now() })
            }
            Ok(_) => Self::Unread(delivery, Failure::Foreign),
            Err(failure) => Self::Unread(delivery, failure),
        }
    }
}

/// Deliveries that wait for their call, in the order in which they came, and whose others are under way.
#[derive(Default)]
pub(crate) struct Hand {
    held: VecDeque<Held>,
    /// By task: whose delivery it is, and whether it was handed out before.
    under_way: HashMap<Id, (Uuid, bool)>,
}

impl Hand {
    /// One more.
    pub(crate) fn take(&mut self, held: Held) {
        self.held.push_back(held);
    }

    /// It could not be begun: in its old place again.
    pub(crate) fn take_back(&mut self, held: Held) {
        let place = self.held.iter().position(|other| other.since > held.since);
        self.held.insert(place.unwrap_or(self.held.len()), held);
    }

    /// The next to be begun: the first whose patient has none under way (two versions of one answer must
    /// not overtake each other), and of those handed out before one at a time, so that one which ends the
    /// process is told from its neighbours.
    pub(crate) fn next(&mut self) -> Option<Held> {
        let free = |held: &Held| {
            self.under_way.values().all(|(patient, again)| {
                *patient != held.message.pseudonym && !(*again && held.delivery.redelivered())
            })
        };
        let place = self.held.iter().position(free)?;
        self.held.remove(place)
    }

    /// It is under way in that task.
    pub(crate) fn begins(&mut self, task: Id, patient: Uuid, again: bool) {
        self.under_way.insert(task, (patient, again));
    }

    /// What was under way in that task isn't any more.
    pub(crate) fn ended(&mut self, task: Id) {
        self.under_way.remove(&task);
    }

    /// Those that have been in hand for longer than `rest`.
    pub(crate) fn overdue(&mut self, rest: Duration) -> Vec<Held> {
        let (overdue, rest): (VecDeque<_>, _) =
            std::mem::take(&mut self.held).into_iter().partition(|held| held.since.elapsed() >= rest);
        self.held = rest;
        overdue.into()
    }

    /// When the next will have been in hand for `rest`.
    pub(crate) fn due(&self, rest: Duration) -> Option<Instant> {
        self.held.iter().map(|held| held.since + rest).min()
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// All that waits.
    pub(crate) fn empty(self) -> impl Iterator<Item = Delivery> {
        self.held.into_iter().map(|held| held.delivery)
    }
}
