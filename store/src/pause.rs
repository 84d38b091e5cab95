//! What was stopped on purpose: a lane, a hospital.

use crate::audit::AuditChain;
use crate::error::StoreError;
use crate::pool::Store;
use serde::Serialize;
use time::OffsetDateTime;

/// Something that is paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pause {
    /// `lane`, `hospital`, …
    pub kind: String,
    /// Which one.
    pub key: String,
    /// Who paused it: an operator, or a lane that protects itself.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

impl Store {
    /// Everything that is paused, by kind and key.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn pauses(&self) -> Result<Vec<Pause>, StoreError> {
        unimplemented!()
    }

    /// Pauses, audited in the same transaction. `false`: it was paused already, and stays as it was.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn pause(
        &self,
        chain: &mut AuditChain,
        kind: &str,
        key: &str,
        by: &str,
        reason: &str,
    ) -> Result<bool, StoreError> {
        let _ = (chain, kind, key, by, reason);
        unimplemented!()
    }

    /// Ends a pause, audited in the same transaction. `false`: it wasn't paused.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn resume(
        &self,
        chain: &mut AuditChain,
        kind: &str,
        key: &str,
        by: &str,
        reason: &str,
    ) -> Result<bool, StoreError> {
        let _ = (chain, kind, key, by, reason);
        unimplemented!()
    }
}
