//! Parking an alert's message while PostgreSQL is away, with what was told in it.

use std::time::Duration;

use epro_broker::{Confirmed, Delivery, PublishError, Publisher, Tier, wait};
use epro_schemas::alert::AlertMessage;
use epro_schemas::seal::KeyRing;

use crate::settling::now;

/// The longest wait: what was told must not stay unrecorded for long once PostgreSQL is back.
const LONGEST: Tier = Tier::S30;
/// How long the confirm may take: a tier's was seen to take 5 s.
const CONFIRM: Duration = Duration::from_secs(15);

/// Publishes the message to the next wait tier and lets it say this, its attempt unchanged.
pub(super) async fn park(
    delivery: &Delivery,
    says: &AlertMessage,
    ring: &KeyRing,
    publisher: &Publisher,
) -> Result<Confirmed, PublishError> {
    let tier = Tier::after(delivery.headers().waits).min(LONGEST);
    let mut parked = wait::parked(delivery, tier, now());
    let message_id = parked.message_id();
    parked.says_now(ring.body(message_id, says)?);
    let parked = publisher.publish_within(parked, CONFIRM).await;
    if parked.is_ok() {
        crate::park::counted(delivery, tier);
    }
    parked
}
