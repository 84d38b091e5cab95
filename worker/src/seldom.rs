//! What is true of thousands of messages is said once in a while, not once for each of them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The shortest time between two lines of the same kind.
const PAUSE: Duration = Duration::from_secs(30);

/// Lets a line through, then none for half a minute: an outage of an hour is read in a minute. How
/// often it was true is counted by metrics.
pub(crate) struct Seldom {
    last: Mutex<Option<Instant>>,
}

impl Seldom {
    /// One that lets the first line through.
    pub(crate) const fn new() -> Self {
        Self { last: Mutex::new(None) }
    }

    /// Whether it is time for a line.
    pub(crate) fn is_due(&self) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|last| last.elapsed() >= PAUSE);
        if due {
            *last = Some(Instant::now());
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_through_then_none_for_half_a_minute() {
        let seldom = Seldom::new();
        assert_eq!([seldom.is_due(), seldom.is_due(), seldom.is_due()], [true, false, false]);
        *seldom.last.lock().unwrap() = Instant::now().checked_sub(PAUSE);
        assert_eq!([seldom.is_due(), seldom.is_due()], [true, false]);
    }
}
