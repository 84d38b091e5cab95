//! What was struck in a run, and what of it nothing shows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::plan::{End, LONG, Planned, Strike};

/// What a fault did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// It is known to have struck.
    Struck,
    /// It did, and so many messages were in the queue that is gone; at least.
    Lost(u32),
    /// It was done, and nothing shows that it struck anybody.
    Void,
}

impl Effect {
    /// Whether it is known.
    pub(super) fn shown(known: bool) -> Self {
        if known { Self::Struck } else { Self::Void }
    }
}

/// The faults of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Struck {
    /// By kind; each of them is known to have struck.
    pub faults: BTreeMap<String, usize>,
    /// What hops did among these: by hop, and by how.
    pub hops: BTreeMap<String, BTreeMap<String, usize>>,
    /// Of these, those that ended with a cut: what was held back never arrived.
    pub broken: usize,
    /// Of all, silences of twelve seconds and more: long enough for RabbitMQ, PostgreSQL or us to give somebody up.
    pub long: usize,
    /// Messages that were in queues when these were deleted, at least.
    pub lost: u64,
    /// What was done and is not known to have struck, by kind. It is counted nowhere else.
    pub void: BTreeMap<String, usize>,
}

impl Struck {
    pub(super) fn note(&mut self, planned: &Planned, effect: Effect) {
        let kind = planned.strike.kind().to_owned();
        if effect == Effect::Void {
            *self.void.entry(kind).or_default() += 1;
            return;
        }
        *self.faults.entry(kind).or_default() += 1;
        if let Effect::Lost(messages) = effect {
            self.lost += u64::from(messages);
        }
        if let Strike::Hop(hop, how, end) = planned.strike {
            let ways = self.hops.entry(hop.name().to_owned()).or_default();
            *ways.entry(how.name().to_owned()).or_default() += 1;
            self.broken += usize::from(end == End::Breaks);
        }
        self.long += usize::from(planned.held >= LONG);
    }

    /// One that no plan has, and that is known to have struck.
    pub(super) fn once(&mut self, kind: &str) {
        *self.faults.entry(kind.to_owned()).or_default() += 1;
    }

    /// Those of another run, too.
    pub fn add(&mut self, other: &Self) {
        add(&mut self.faults, &other.faults);
        add(&mut self.void, &other.void);
        for (hop, ways) in &other.hops {
            add(self.hops.entry(hop.clone()).or_default(), ways);
        }
        self.broken += other.broken;
        self.long += other.long;
        self.lost += other.lost;
    }

    /// How many there were.
    pub fn count(&self) -> usize {
        self.faults.values().sum()
    }

    /// How often that hop failed so.
    pub(super) fn of(&self, hop: &str, how: &str) -> usize {
        self.hops.get(hop).and_then(|ways| ways.get(how)).copied().unwrap_or_default()
    }

    /// Whether a queue was deleted, with something in it or not.
    pub(super) fn lost_a_queue(&self) -> bool {
        self.faults.keys().chain(self.void.keys()).any(|kind| kind.ends_with("queue lost"))
    }
}

fn add(all: &mut BTreeMap<String, usize>, more: &BTreeMap<String, usize>) {
    for (kind, count) in more {
        *all.entry(kind.clone()).or_default() += count;
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::{Hop, How, Queue};
    use super::*;

    fn planned(strike: Strike, held: f64) -> Planned {
        Planned { after: 0.0, strike, held }
    }

    #[test]
    fn what_nothing_shows_is_counted_apart_and_as_no_fault() {
        let mut struck = Struck::default();
        struck.note(&planned(Strike::AckTimeout, 3.0), Effect::Void);
        struck.note(&planned(Strike::AckTimeout, 3.0), Effect::Struck);
        struck.note(&planned(Strike::Hop(Hop::Mail, How::Stall, End::Breaks), 15.0), Effect::Void);
        assert_eq!((struck.count(), struck.void.values().sum::<usize>()), (1, 2));
        assert_eq!((struck.hops.len(), struck.broken, struck.long), (0, 0, 0));
    }

    #[test]
    fn of_two_runs_everything_is_added() {
        let mut struck = Struck::default();
        struck.note(&planned(Strike::Hop(Hop::Mail, How::Stall, End::Breaks), 15.0), Effect::Struck);
        struck.note(&planned(Strike::QueueLost(Queue::Alerts), 1.0), Effect::Lost(7));
        struck.note(&planned(Strike::BrokerCloses, 0.0), Effect::Void);
        let mut both = struck.clone();
        both.add(&struck);
        assert_eq!((both.count(), both.broken, both.long, both.lost), (4, 2, 2, 14));
        assert_eq!(
            (both.of(Hop::Mail.name(), How::Stall.name()), both.of(Hop::Mail.name(), How::Cut.name())),
            (2, 0)
        );
        assert_eq!(both.void.get("RabbitMQ closes"), Some(&2));
    }

    #[test]
    fn a_queue_that_was_empty_when_it_was_lost_was_lost_all_the_same() {
        let mut struck = Struck::default();
        assert!(!struck.lost_a_queue());
        struck.note(&planned(Strike::QueueLost(Queue::Fhir), 1.0), Effect::Void);
        assert!(struck.lost_a_queue());
    }
}
