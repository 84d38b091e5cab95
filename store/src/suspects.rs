//! Deliveries that came back after a crash: each start is counted before it is tried again.

use crate::error::StoreError;
use crate::pool::Store;
use crate::session::Session;
use crate::step::Step;
use uuid::Uuid;

const STARTS: &str = "SELECT starts FROM ops.suspect WHERE key = $1";

const START: &str = "\
INSERT INTO ops.suspect AS s (key, lane, starts) VALUES ($1, $2, $3) \
ON CONFLICT (key) DO UPDATE SET starts = greatest(s.starts, $3), last_at = now() RETURNING starts";

const FORGET: &str = "DELETE FROM ops.suspect WHERE key = $1";

/// Forgets a suspect, in the transaction that settles it.
pub(crate) fn forget(key: Uuid) -> Step<'static> {
    Step::new(FORGET).with(key)
}

impl Store {
    /// How often `key` was started; 0 if it is no suspect.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn starts(&self, key: Uuid) -> Result<i32, StoreError> {
        let session = Session::open(self).await?;
        let rows = session.rows(STARTS, &[&key]).await?;
        session.done();
        rows.first().map_or(Ok(0), |row| Ok(row.try_get(0)?))
    }

    /// Counts start number `start` of `key` (one more than [`Store::starts`]) and commits that before
    /// it returns the count. The row goes with the commit of the message ([`Store::commit_chunk`],
    /// [`Store::set_aside`]).
    ///
    /// # Errors
    /// As every [`StoreError`]; the start may have been counted. Asked again with the same number it
    /// is not counted twice: answers that get lost must not add up to a quarantine.
    pub async fn suspect(&self, key: Uuid, lane: &str, start: i32) -> Result<i32, StoreError> {
        let session = Session::open(self).await?;
        let rows = session.rows(START, &[&key, &lane, &start]).await?;
        let starts = rows.first().ok_or_else(StoreError::internal)?.try_get(0)?;
        session.done();
        Ok(starts)
    }

    /// Forgets a suspect that was handled without harm and yet isn't settled: parked, or given back
    /// because something else is away. Its starts must not add up to a quarantine.
    ///
    /// # Errors
    /// As every [`StoreError`]; then they stay counted.
    pub async fn forget_suspect(&self, key: Uuid) -> Result<(), StoreError> {
        let session = Session::open(self).await?;
        session.rows(FORGET, &[&key]).await?;
        session.done();
        Ok(())
    }
}
