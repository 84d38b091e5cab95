//! Notes that come before what they tell of: what shows a patient is given only once the broker has the note of it.

use std::sync::Arc;
use std::time::Duration;

use epro_broker::{Confirmed, PublishError, Publisher};
use epro_schemas::audit_note::AuditNote;
use epro_schemas::seal::KeyRing;
use uuid::Uuid;

use super::post::send;

/// Publishes such notes, one by one.
pub(crate) struct Witness {
    publisher: Publisher,
    ring: Arc<KeyRing>,
    within: Duration,
}

impl Witness {
    /// Through at most so many of the publisher's slots: readings must not take those of submissions.
    pub(crate) fn new(publisher: &Publisher, ring: Arc<KeyRing>, slots: usize, within: Duration) -> Self {
        Self { publisher: publisher.sharing(slots.max(1)), ring, within }
    }

    /// Waits for the broker's word that it has the note. After an error it may have it as well: the trail then tells of
    /// a reading that was not given, never the other way round.
    pub(crate) async fn tell(&self, note: &AuditNote) -> Result<Confirmed, PublishError> {
        send(&self.publisher, &self.ring, (Uuid::now_v7(), note), self.within).await
    }
}
