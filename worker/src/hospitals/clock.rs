//! The clock that a gate goes by: the monotonic one, or, in a test, a hand that is moved.

use std::sync::Arc;
use std::time::Instant;

/// Tells the time; cheap to clone.
#[derive(Clone)]
pub(crate) struct Clock(Arc<dyn Fn() -> Instant + Send + Sync>);

impl Clock {
    /// The monotonic clock: it goes on while the process stands still.
    pub(crate) fn monotonic() -> Self {
        Self(Arc::new(Instant::now))
    }

    /// The time.
    pub(crate) fn now(&self) -> Instant {
        (self.0)()
    }
}

impl governor::clock::Clock for Clock {
    type Instant = Instant;

    fn now(&self) -> Instant {
        (self.0)()
    }
}

/// A clock that stands still until it is moved.
#[cfg(test)]
pub(crate) mod moved {
    use std::sync::{Arc, Mutex};
    use std::time::{Duration, Instant};

    use super::Clock;

    /// The hand of a test.
    #[derive(Clone)]
    pub(crate) struct Hand(Arc<Mutex<Instant>>);

    impl Hand {
        /// A hand and the clock that it moves.
        pub(crate) fn new() -> (Self, Clock) {
            let hand = Self(Arc::new(Mutex::new(Instant::now())));
            let clock = hand.clone();
            (hand, Clock(Arc::new(move || clock.now())))
        }

        pub(crate) fn now(&self) -> Instant {
            *self.0.lock().unwrap()
        }

        pub(crate) fn pass(&self, milliseconds: u64) {
            *self.0.lock().unwrap() += Duration::from_millis(milliseconds);
        }
    }
}
