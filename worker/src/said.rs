//! What a message says, of whichever type: the one place where bodies that follow a submission are opened.

use epro_broker::Delivery;
use epro_schemas::seal::KeyRing;
use epro_schemas::sealed::Says;

use crate::failure::Failure;

/// What one of ours has sealed for this message and no other. Nothing else is ever acted on.
pub(crate) fn said<S: Says>(delivery: &Delivery, ring: &KeyRing) -> Result<S, Failure> {
    if delivery.kind() != Some(S::KIND) {
        return Err(Failure::Foreign);
    }
    let message_id = delivery.message_id().ok_or(Failure::Foreign)?;
    Ok(ring.read(message_id, &delivery.body())?)
}
