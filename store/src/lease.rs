//! Ownership that expires, by the database's clock.

use crate::error::StoreError;
use crate::pool::Store;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Ownership of one key until an instant of our own monotonic clock, counted from before the
/// UPDATE was sent: never later than the database's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// What is owned, e.g. a site id.
    pub key: String,
    /// Grows by one with every change of owner.
    pub term: i64,
    /// Make no call that could outlast this.
    pub until: Instant,
}

/// One round of renewing and claiming.
#[derive(Debug, Clone)]
pub struct LeaseRound<'a> {
    /// The kind of key: `hospital`, `relay`, …
    pub kind: &'a str,
    /// This replica, a new id for every start of a process.
    pub owner: Uuid,
    /// Every key there is; the fair share is counted from them.
    pub keys: &'a [String],
    /// How long a lease lasts: several times the interval between rounds.
    pub ttl: Duration,
}

impl Store {
    /// Renews this owner's leases and claims free ones, up to its fair share: keys divided by the
    /// owners that were here within their ttl, rounded up. Above its share it renews no more:
    /// a lease that is missing from the answer ends at the `until` that was given before, and only
    /// then can another owner have it.
    ///
    /// # Errors
    /// As every [`StoreError`]; the leases held so far run until their `until`.
    pub async fn leases(&self, round: &LeaseRound<'_>) -> Result<Vec<Lease>, StoreError> {
        let _ = round;
        unimplemented!()
    }

    /// Gives up every lease of this owner and kind at once, when it leaves and makes no more calls.
    ///
    /// # Errors
    /// As every [`StoreError`]; then they simply expire.
    pub async fn release_leases(&self, kind: &str, owner: Uuid) -> Result<(), StoreError> {
        let _ = (kind, owner);
        unimplemented!()
    }
}
