//! A hospital's pace: governor without a burst, and empty at the start.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use super::clock::Clock;

/// One call each interval, none saved up. Only the holder of a lease has one, so that the limit holds
/// over all replicas.
pub(crate) struct RateLimit {
    limiter: RateLimiter<NotKeyed, InMemoryState, Clock, NoOpMiddleware<Instant>>,
    clock: Clock,
}

impl RateLimit {
    /// `calls_per_second` may be less than one. It starts empty: whoever owned the hospital before may
    /// have called it a moment ago.
    pub(crate) fn new(calls_per_second: f64, clock: Clock) -> Self {
        let interval = Duration::try_from_secs_f64(1.0 / calls_per_second).unwrap_or(Duration::MAX);
        let quota = Quota::with_period(interval.max(Duration::from_nanos(1)));
        let quota = quota.unwrap_or(Quota::per_second(NonZeroU32::MIN)).allow_burst(NonZeroU32::MIN);
        let limiter = RateLimiter::direct_with_clock(quota, clock.clone());
        // Nobody is called with the first one.
        let _ = limiter.check();
        Self { limiter, clock }
    }

    /// Takes the next call, or says when there will be one.
    pub(crate) fn take(&self) -> Result<(), Instant> {
        self.limiter.check().map_err(|not_until| {
            let now = self.clock.now();
            now + not_until.wait_time_from(now)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hospitals::clock::moved::Hand;

    #[test]
    fn it_starts_empty_and_gives_one_call_an_interval_without_saving_any() {
        let (hand, clock) = Hand::new();
        let limit = RateLimit::new(5.0, clock);
        assert_eq!(limit.take(), Err(hand.now() + Duration::from_millis(200)));
        hand.pass(199);
        assert!(limit.take().is_err());
        hand.pass(1);
        assert!(limit.take().is_ok());
        hand.pass(60_000);
        assert!(limit.take().is_ok());
        assert!(limit.take().is_err(), "a minute of rest saves nothing up");
    }

    #[test]
    fn a_pace_below_one_a_second_is_a_pace() {
        let (hand, clock) = Hand::new();
        let limit = RateLimit::new(0.1, clock);
        hand.pass(9_999);
        assert!(limit.take().is_err());
        hand.pass(1);
        assert!(limit.take().is_ok());
    }
}
