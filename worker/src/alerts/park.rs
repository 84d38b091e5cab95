//! Parking an alert's message while PostgreSQL is away, with what was told in it.

use std::time::Duration;

use bytes::Bytes;
use epro_broker::{Confirmed, Delivery, PublishError, Publisher, Tier, wait};

use crate::settling::now;

/// The longest wait: what was told must not stay unrecorded for long once PostgreSQL is back.
const LONGEST: Tier = Tier::S30;
/// How long the confirm may take: a tier's was seen to take 5 s.
const CONFIRM: Duration = Duration::from_secs(15);

/// Publishes the message to the next wait tier with this body, its attempt unchanged.
pub(super) async fn park(
    delivery: &Delivery,
    body: Bytes,
    publisher: &Publisher,
) -> Result<Confirmed, PublishError> {
    let tier = Tier::after(delivery.headers().waits).min(LONGEST);
    let parked = wait::parked(delivery, tier, now());
    let parked = publisher.publish_within(epro_broker::Message { body, ..parked }, CONFIRM).await;
    if parked.is_ok() {
        crate::park::counted(delivery, tier);
    }
    parked
}
