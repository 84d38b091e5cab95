//! Ownership of one hospital until an instant of the monotonic clock: no call without it.

use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::clock::Clock;

/// Between the end of the longest call and the end of the lease.
const MARGIN: Duration = Duration::from_secs(1);
/// A lease lasts so much longer than the longest call.
const BEYOND_A_CALL: Duration = Duration::from_secs(4);

/// How long a lease has to be so that there is time for calls between two renewals.
pub(crate) fn ttl(longest_call: Duration) -> Duration {
    longest_call + BEYOND_A_CALL
}

/// What the rounds of the lane know of one lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// It lasts until then, if it isn't renewed.
    Until(Instant),
    /// It isn't ours any more, or won't be renewed: finish, and leave.
    Lost,
}

/// The lease of one hospital, as renewed by the lane's rounds; cheap to clone.
#[derive(Clone)]
pub(crate) struct Lease {
    held: watch::Receiver<Held>,
    /// How long a call may take.
    call: Duration,
    clock: Clock,
}

impl Lease {
    /// A lease whose calls take `call` at most, and the end through which it is renewed.
    pub(crate) fn new(until: Instant, call: Duration, clock: Clock) -> (watch::Sender<Held>, Self) {
        let (renew, held) = watch::channel(Held::Until(until));
        (renew, Self { held, call, clock })
    }

    /// Whether a call that starts now ends before the lease, with a margin.
    pub(crate) fn allows_a_call(&self) -> bool {
        self.lasts(self.call + MARGIN)
    }

    /// Whether it lasts for so long from now.
    fn lasts(&self, long: Duration) -> bool {
        match *self.held.borrow() {
            Held::Until(until) => self.clock.now() + long <= until,
            Held::Lost => false,
        }
    }

    /// Resolves once it is lost, or over without a word.
    pub(crate) async fn lost(&self) {
        let mut held = self.held.clone();
        loop {
            let Held::Until(until) = *held.borrow_and_update() else { return };
            tokio::select! {
                () = tokio::time::sleep_until(until.into()) => if !self.lasts(Duration::ZERO) { return },
                renewed = held.changed() => if renewed.is_err() { return },
            }
        }
    }

    /// Does `work` only while the lease runs: a process that stood still does no more of it when it
    /// wakes. A lease that won't be renewed still covers what has begun. `None`: it ran out.
    pub(crate) async fn cover<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let until = match *self.held.borrow() {
            Held::Until(until) => until,
            Held::Lost => return None,
        };
        let mut work = pin!(work);
        let mut over = pin!(tokio::time::sleep_until(until.into()));
        std::future::poll_fn(|cx| {
            if self.clock.now() >= until || over.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            work.as_mut().poll(cx).map(Some)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hospitals::clock::moved::Hand;

    const CALL: Duration = Duration::from_secs(2);

    #[test]
    fn a_call_is_allowed_only_if_it_ends_a_second_before_the_lease() {
        let (hand, clock) = Hand::new();
        let (renew, lease) = Lease::new(hand.now() + ttl(CALL), CALL, clock);
        assert!(lease.allows_a_call());
        hand.pass(3_000);
        assert!(lease.allows_a_call());
        hand.pass(1);
        assert!(!lease.allows_a_call());
        renew.send_replace(Held::Until(hand.now() + ttl(CALL)));
        assert!(lease.allows_a_call());
        renew.send_replace(Held::Lost);
        assert!(!lease.allows_a_call());
    }

    #[tokio::test]
    async fn what_has_not_begun_when_the_process_wakes_too_late_is_never_begun() {
        let (hand, clock) = Hand::new();
        let (_renew, lease) = Lease::new(hand.now() + ttl(CALL), CALL, clock);
        hand.pass(30_000);
        let mut begun = false;
        let done = lease.cover(async { begun = true }).await;
        assert_eq!((done, begun), (None, false));
    }

    #[tokio::test]
    async fn it_is_lost_when_its_time_is_over_without_a_word() {
        let lease = Lease::new(Instant::now() + Duration::from_millis(5), CALL, Clock::monotonic()).1;
        lease.lost().await;
        assert!(!lease.allows_a_call());
    }
}
