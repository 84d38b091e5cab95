//! Parking a message until its time.
//!
//! Not by reject and dead-lettering: RabbitMQ 4.3 counts through that cycle and then drops the
//! message or keeps it for ever. A message waits by being published anew with a confirm, into
//! one of a few queues with a fixed time each, and only then acked where it came from.

use std::time::Duration;

use epro_schemas::sealed::SealedBody;
use uuid::Uuid;

use crate::{delivery::Delivery, message::Message, topology::home};

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
        let index = usize::try_from(waits).unwrap_or(usize::MAX);
        Self::ALL.get(index).copied().unwrap_or(Self::H6)
    }

    /// The shortest tier that is at least as long, or the last.
    pub fn at_least(wait: Duration) -> Self {
        Self::ALL.into_iter().find(|tier| tier.duration() >= wait).unwrap_or(Self::H6)
    }

    /// Its time at a time scale of 1.
    pub fn duration(self) -> Duration {
        Duration::from_secs(match self {
            Self::S5 => 5,
            Self::S30 => 30,
            Self::M2 => 2 * 60,
            Self::M10 => 10 * 60,
            Self::M30 => 30 * 60,
            Self::H2 => 2 * 3600,
            Self::H6 => 6 * 3600,
        })
    }

    /// `5s`, `30s`, `2m` and so on.
    pub fn name(self) -> &'static str {
        self.exchange().trim_start_matches("epro.wait.")
    }

    /// Name of its exchange and of its queue, `epro.wait.5s`.
    pub fn exchange(self) -> &'static str {
        match self {
            Self::S5 => "epro.wait.5s",
            Self::S30 => "epro.wait.30s",
            Self::M2 => "epro.wait.2m",
            Self::M10 => "epro.wait.10m",
            Self::M30 => "epro.wait.30m",
            Self::H2 => "epro.wait.2h",
            Self::H6 => "epro.wait.6h",
        }
    }
}

/// Whether that is the name of a wait queue.
pub fn is_wait(queue: &str) -> bool {
    Tier::ALL.into_iter().any(|tier| tier.exchange() == queue)
}

/// The message to publish so that what `delivery` carries comes back after the tier's time, to
/// [`home`] of its queue: same id, kind and body, headers of ours only, one more wait, the attempt
/// unchanged. `now` in Unix milliseconds. Ack the delivery with the receipt.
///
/// A delivery without an id of ours gets a new one.
#[allow(clippy::disallowed_methods, reason = "what is parked comes back as it came")]
pub fn parked(delivery: &Delivery, tier: Tier, now: i64) -> Message {
    let mut headers = delivery.headers();
    headers.waits = headers.waits.saturating_add(1);
    headers.waiting_since.get_or_insert(now);
    let kind = delivery.kind().unwrap_or_default().to_owned();
    let message_id = delivery.message_id().unwrap_or_else(Uuid::now_v7);
    let body = SealedBody::as_it_came(kind, message_id, delivery.body());
    Message::through(tier.exchange(), home(delivery.queue()), headers, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_is_longer_than_the_one_before_and_the_last_repeats() {
        let tiers: Vec<Tier> = (0..9).map(Tier::after).collect();
        assert_eq!(tiers[..7], Tier::ALL);
        assert_eq!(tiers[7..], [Tier::H6, Tier::H6]);
        assert_eq!(Tier::after(u32::MAX), Tier::H6);
        assert!(Tier::ALL.windows(2).all(|pair| pair[0].duration() < pair[1].duration()));
    }

    #[test]
    fn a_retry_after_is_never_cut_short_while_a_tier_is_long_enough() {
        assert_eq!(Tier::at_least(Duration::ZERO), Tier::S5);
        assert_eq!(Tier::at_least(Duration::from_secs(5)), Tier::S5);
        assert_eq!(Tier::at_least(Duration::from_millis(5001)), Tier::S30);
        assert_eq!(Tier::at_least(Duration::from_secs(7201)), Tier::H6);
        assert_eq!(Tier::at_least(Duration::from_secs(86_400)), Tier::H6);
    }

    #[test]
    fn names_say_the_time() {
        let names: Vec<&str> = Tier::ALL.into_iter().map(Tier::name).collect();
        assert_eq!(names, ["5s", "30s", "2m", "10m", "30m", "2h", "6h"]);
    }
}
