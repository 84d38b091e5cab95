//! What came from a queue, and what was decided about it, as metrics.

use metrics::Counter;

use crate::settle::Verdict;

/// The counters of one queue, looked up once.
pub(super) struct Tally {
    received: Counter,
    again: Counter,
    acked: Counter,
    released: Counter,
    requeued: Counter,
}

impl Tally {
    pub(super) fn new(queue: &str) -> Self {
        let settled = |verdict| metrics::counter!("epro_settlements_total", "queue" => queue.to_owned(), "verdict" => verdict);
        Self {
            received: metrics::counter!("epro_deliveries_total", "queue" => queue.to_owned()),
            again: metrics::counter!("epro_redeliveries_total", "queue" => queue.to_owned()),
            acked: settled("ack"),
            released: settled("release"),
            requeued: settled("requeue"),
        }
    }

    pub(super) fn received(&self, again: bool) {
        self.received.increment(1);
        if again {
            self.again.increment(1);
        }
    }

    pub(super) fn decided(&self, verdict: Verdict) {
        match verdict {
            Verdict::Ack => self.acked.increment(1),
            Verdict::Release => self.released.increment(1),
            Verdict::Requeue => self.requeued.increment(1),
        }
    }
}
