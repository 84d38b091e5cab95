//! Alerts and hospital deliveries: rows whose message must still be published.

use crate::error::StoreError;
use crate::pool::Store;
use crate::submissions::Committed;
use uuid::Uuid;

/// A message that a stored (or set-aside) submission leads to; its row is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FollowOn {
    /// For `epro.alerts`.
    Alert(AlertFollowOn),
    /// For `epro.his.<site>`.
    Delivery(DeliveryFollowOn),
}

/// An alert to publish; its key is `alert_id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertFollowOn {
    /// Deterministic in study, subject, submission and rule.
    pub alert_id: Uuid,
    /// The submission that alerts.
    pub submission_id: Uuid,
    /// Its site.
    pub site_id: String,
    /// Its study.
    pub study_id: String,
    /// The alert rule's id.
    pub rule: String,
    /// The severity's name.
    pub severity: String,
}

/// A delivery to a hospital; its key is (`submission_id`, `pseudonym`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryFollowOn {
    /// The submission to deliver.
    pub submission_id: Uuid,
    /// Its subject's pseudonym.
    pub pseudonym: Uuid,
    /// The hospital's site id.
    pub site_id: String,
    /// Grows when the row is published anew on purpose; a message of an old one has no effect.
    pub generation: i32,
}

impl Store {
    /// Commits that these could not be published (now): the relay will. Rows that are done, or of
    /// a newer generation, stay as they are.
    ///
    /// # Errors
    /// As every [`StoreError`]; nothing was marked.
    pub async fn mark_unsent(&self, follow_ons: &[FollowOn]) -> Result<Committed, StoreError> {
        let _ = follow_ons;
        unimplemented!()
    }

    /// Up to `limit` rows that wait for the relay, the oldest first, alerts before deliveries.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn unsent(&self, limit: u32) -> Result<Vec<FollowOn>, StoreError> {
        let _ = limit;
        unimplemented!()
    }

    /// Commits that the relay published these.
    ///
    /// # Errors
    /// As every [`StoreError`]; publishing them again is harmless.
    pub async fn mark_queued(&self, follow_ons: &[FollowOn]) -> Result<Committed, StoreError> {
        let _ = follow_ons;
        unimplemented!()
    }
}
