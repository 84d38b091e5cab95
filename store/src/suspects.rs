//! Deliveries that came back after a crash: each start is counted before it is tried again, under an id of its own.
//!
//! Whoever outlived a start takes it back by that id: what is left is what nobody outlived. It doesn't matter when that
//! reaches PostgreSQL, nor what others have counted meanwhile.

use crate::error::StoreError;
use crate::pool::Store;
use crate::session::Session;
use crate::step::Step;
use uuid::Uuid;

const STARTS: &str = "SELECT starts FROM ops.suspect WHERE key = $1";

const START: &str = "\
INSERT INTO ops.suspect AS s (key, lane, starts, open) VALUES ($1, $2, 1, ARRAY[$3::uuid]) \
ON CONFLICT (key) DO UPDATE SET last_at = now(), \
    starts = s.starts + CASE WHEN $3::uuid = ANY (s.open) THEN 0 ELSE 1 END, \
    open = CASE WHEN $3::uuid = ANY (s.open) THEN s.open ELSE array_append(s.open, $3::uuid) END \
RETURNING starts, open";

/// All of them in one statement: a key may be among them twice, and no id is of two keys.
const TAKE_BACK: &str = "\
UPDATE ops.suspect SET \
    starts = starts - (SELECT count(*) FROM unnest(open) AS one WHERE one = ANY ($2))::integer, \
    open = ARRAY(SELECT one FROM unnest(open) AS one WHERE one <> ALL ($2)) \
WHERE key = ANY ($1) AND open && $2";

const NO_SUSPECT: &str = "DELETE FROM ops.suspect WHERE key = ANY ($1) AND starts <= 0";

const FORGET: &str = "DELETE FROM ops.suspect WHERE key = $1";

/// What is counted of a suspect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// How often it was started and nobody has said that they outlived it, this start among them.
    pub starts: i32,
    /// The ids of these starts.
    pub open: Vec<Uuid>,
}

/// Forgets a suspect, in the transaction that settles it.
pub(crate) fn forget(key: Uuid) -> Step<'static> {
    Step::new(FORGET).with(key)
}

impl Store {
    /// How many starts of `key` are counted; 0 if it is no suspect.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn starts(&self, key: Uuid) -> Result<i32, StoreError> {
        let session = Session::open(self).await?;
        let rows = session.rows(STARTS, &[&key]).await?;
        session.done();
        rows.first().map_or(Ok(0), |row| Ok(row.try_get(0)?))
    }

    /// Counts a start of `key` and commits that before it returns what is counted of it. The row goes with the commit
    /// of the message ([`Store::commit_chunk`], [`Store::set_aside`]).
    ///
    /// # Errors
    /// As every [`StoreError`]; the start may have been counted. Asked again with the same id it is not counted twice.
    pub async fn suspect(&self, key: Uuid, lane: &str, start: Uuid) -> Result<Counted, StoreError> {
        let session = Session::open(self).await?;
        let rows = session.rows(START, &[&key, &lane, &start]).await?;
        let row = rows.first().ok_or_else(StoreError::internal)?;
        let counted = Counted { starts: row.try_get(0)?, open: row.try_get(1)? };
        session.done();
        Ok(counted)
    }

    /// Takes back starts, each the key of its suspect and its id: their process has outlived them. Nothing happens to
    /// what isn't counted (any more).
    ///
    /// # Errors
    /// As every [`StoreError`]; then some may stay counted, until it is asked again.
    pub async fn outlived(&self, starts: &[(Uuid, Uuid)]) -> Result<(), StoreError> {
        let (keys, ids): (Vec<Uuid>, Vec<Uuid>) = starts.iter().copied().unzip();
        let session = Session::open(self).await?;
        session.rows(TAKE_BACK, &[&keys, &ids]).await?;
        session.rows(NO_SUSPECT, &[&keys]).await?;
        session.done();
        Ok(())
    }
}
