//! Parking a message until its time.

use std::time::Duration;

use crate::{delivery::Delivery, message::Message};

/// How long a message is parked; each tier is one queue with one fixed time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// 5 seconds.
    S5,
    /// 30 seconds.
    S30,
    /// 2 minutes.
    M2,
    /// 10 minutes.
    M10,
    /// 30 minutes.
    M30,
    /// 2 hours.
    H2,
    /// 6 hours.
    H6,
}

impl Tier {
    /// All of them, shortest first.
    pub const ALL: [Self; 7] = [Self::S5, Self::S30, Self::M2, Self::M10, Self::M30, Self::H2, Self::H6];

    /// The tier after `waits` waits: the first, then the next, up to the last.
    pub fn after(waits: u32) -> Self {
        let _ = waits;
        unimplemented!()
    }

    /// The shortest tier that is at least as long, or the last.
    pub fn at_least(wait: Duration) -> Self {
        let _ = wait;
        unimplemented!()
    }

    /// Its time at a time scale of 1.
    pub fn duration(self) -> Duration {
        unimplemented!()
    }

    /// `5s`, `30s`, `2m` and so on.
    pub fn name(self) -> &'static str {
        unimplemented!()
    }

    /// Name of its exchange and of its queue, `epro.wait.5s`.
    pub fn exchange(self) -> &'static str {
        unimplemented!()
    }
}

/// The message to publish so that what `delivery` carries comes back after the tier's time, to
/// [`crate::topology::home`] of its queue: same id, kind and body, headers of ours only, one more wait.
/// `now` in Unix milliseconds. Ack the delivery with the receipt.
pub fn parked(delivery: &Delivery, tier: Tier, now: i64) -> Message {
    let _ = (delivery, tier, now);
    unimplemented!()
}
