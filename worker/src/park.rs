//! Parking a delivery in a wait tier, as often as it takes.

use std::time::Duration;

use epro_broker::{Confirmed, Delivery, Publisher, Tier, wait};
use tokio::time::Instant;

use crate::backoff;
use crate::hold::Hold;
use crate::seldom::Seldom;
use crate::settling::now;

/// How long parking a message may take before it is tried again: a tier's confirm was seen to take 5 s.
const PARK: Duration = Duration::from_secs(15);

/// A broker that is away parks nothing, and each message tries again and again.
static UNPARKED: Seldom = Seldom::new();

/// Publishes it to a wait tier, as often as it takes within the hold; `charged` adds one to its attempt.
pub(crate) async fn park(
    delivery: &Delivery,
    tier: Tier,
    charged: bool,
    publisher: &Publisher,
    hold: &Hold,
) -> Option<Confirmed> {
    let since = Instant::now();
    for delay in backoff::steady() {
        let mut parked = wait::parked(delivery, tier, now());
        parked.headers.attempt = parked.headers.attempt.saturating_add(u32::from(charged));
        match publisher.publish_within(parked, PARK).await {
            Ok(receipt) => {
                counted(delivery, tier);
                return Some(receipt);
            }
            Err(error) if UNPARKED.is_due() => {
                tracing::warn!(%error, tier = tier.name(), "can't be parked now");
            }
            Err(_) => {}
        }
        if since.elapsed() > hold.at_most {
            return None;
        }
        tokio::select! {
            () = hold.shutdown.requested() => return None,
            () = tokio::time::sleep(delay) => {}
        }
    }
    None
}

/// Counts one that was parked.
pub(crate) fn counted(delivery: &Delivery, tier: Tier) {
    let (queue, tier) = (delivery.queue().to_owned(), tier.name());
    metrics::counter!("epro_waits_total", "queue" => queue, "tier" => tier).increment(1);
}
