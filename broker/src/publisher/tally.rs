//! What became of the publishes, as metrics.

use std::time::Duration;

use metrics::{Counter, Histogram};

use super::{Confirmed, PublishError};

const OUTCOMES: [&str; 9] = [
    "confirmed",
    "not_connected",
    "blocked",
    "saturated",
    "returned",
    "nacked",
    "not_confirmed",
    "timed_out",
    "unsendable",
];

/// One counter an outcome, and how long the confirmed ones took; looked up once.
pub(super) struct Tally {
    outcomes: [Counter; OUTCOMES.len()],
    confirmed: Histogram,
}

impl Tally {
    pub(super) fn new(publisher: &str) -> Self {
        let counter = |outcome| metrics::counter!("epro_publishes_total", "publisher" => publisher.to_owned(), "outcome" => outcome);
        let confirmed = metrics::histogram!("epro_publish_seconds", "publisher" => publisher.to_owned());
        Self { outcomes: OUTCOMES.map(counter), confirmed }
    }

    pub(super) fn count(&self, result: &Result<Confirmed, PublishError>, took: Duration) {
        if result.is_ok() {
            self.confirmed.record(took);
        }
        let index = match result {
            Ok(Confirmed(())) => 0,
            Err(PublishError::NotConnected) => 1,
            Err(PublishError::Blocked) => 2,
            Err(PublishError::Saturated) => 3,
            Err(PublishError::Returned { .. }) => 4,
            Err(PublishError::Nacked) => 5,
            Err(PublishError::NotConfirmed) => 6,
            Err(PublishError::TimedOut) => 7,
            Err(PublishError::Unsendable { .. }) => 8,
            // Of no message.
            Err(PublishError::Unsealed(_)) => return,
        };
        if let Some(counter) = self.outcomes.get(index) {
            counter.increment(1);
        }
    }
}
