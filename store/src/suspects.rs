//! Deliveries that came back after a crash: each start is counted before it is tried again, under an id of its own.
//!
//! Whoever outlived a start takes it back by that id: what is left is what nobody outlived. It doesn't matter when that
//! reaches PostgreSQL, nor what others have counted meanwhile. Whoever knows that a start did harm (a stage panicked
//! over it) takes back its id alone: it stays counted, and nobody waits for a word about it.

use crate::error::StoreError;
use crate::pool::Store;
use crate::session::Session;
use crate::step::Step;
use tokio_postgres::Row;
use uuid::Uuid;

const COUNTED: &str = "SELECT starts, open FROM ops.suspect WHERE key = $1";

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

const HARM: &str = "\
UPDATE ops.suspect SET open = ARRAY(SELECT one FROM unnest(open) AS one WHERE one <> ALL ($2)) \
WHERE key = ANY ($1) AND open && $2";

/// What is left are the starts that those who acquit have not seen. Only as long as their own is among them: asked
/// again, it must not take back what others have counted since.
const ACQUIT: &str = "\
UPDATE ops.suspect SET \
    starts = (SELECT count(*) FROM unnest(open) AS one WHERE one <> ALL ($3))::integer, \
    open = ARRAY(SELECT one FROM unnest(open) AS one WHERE one <> ALL ($3)) \
WHERE key = ANY ($1) AND open && $2";

const NO_SUSPECT: &str = "DELETE FROM ops.suspect WHERE key = ANY ($1) AND starts <= 0";

const FORGET: &str = "DELETE FROM ops.suspect WHERE key = $1";

const FORGET_ALL: &str = "DELETE FROM ops.suspect WHERE key = ANY ($1)";

/// What is counted of a suspect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    /// How often it was started and nobody has said that they outlived it.
    pub starts: i32,
    /// The ids of those among them of which nobody has said how they ended. The others are known to have done harm, or
    /// a version without ids has counted them.
    pub open: Vec<Uuid>,
}

impl Counted {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { starts: row.try_get(0)?, open: row.try_get(1)? })
    }
}

/// Forgets a suspect, in the transaction that settles it.
pub(crate) fn forget(key: Uuid) -> Step<'static> {
    Step::new(FORGET).with(key)
}

/// Forgets several, if any, in the transaction that settles them.
pub(crate) fn forget_all(keys: Vec<Uuid>) -> Option<Step<'static>> {
    (!keys.is_empty()).then(|| Step::new(FORGET_ALL).with(keys))
}

impl Store {
    /// What is counted of `key`; nothing if it is no suspect.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn counted(&self, key: Uuid) -> Result<Counted, StoreError> {
        let session = Session::open(self).await?;
        let rows = session.rows(COUNTED, &[&key]).await?;
        session.done();
        rows.first().map_or_else(|| Ok(Counted::default()), Counted::read)
    }

    /// Counts a start of `key` and commits that before it returns what is counted of it. The row goes with the commit
    /// of the message ([`Store::commit_chunk`], [`Store::set_aside`]).
    ///
    /// # Errors
    /// As every [`StoreError`]; the start may have been counted, or may be yet: what was given up on its way can still
    /// reach the server, even after its taking back. Asked again with the same id it is not counted twice.
    pub async fn suspect(&self, key: Uuid, lane: &str, start: Uuid) -> Result<Counted, StoreError> {
        let session = Session::open(self).await?;
        let rows = session.rows(START, &[&key, &lane, &start]).await?;
        let row = rows.first().ok_or_else(StoreError::internal)?;
        let counted = Counted::read(row)?;
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

    /// Starts, each the key of its suspect and its id, are known to have done harm: they stay counted, and nobody needs
    /// to wait for a word about them any more.
    ///
    /// # Errors
    /// As every [`StoreError`]; then it may be asked again.
    pub async fn harmed(&self, starts: &[(Uuid, Uuid)]) -> Result<(), StoreError> {
        let (keys, ids): (Vec<Uuid>, Vec<Uuid>) = starts.iter().copied().unzip();
        let session = Session::open(self).await?;
        session.rows(HARM, &[&keys, &ids]).await?;
        session.done();
        Ok(())
    }

    /// Messages were decided about without harm in these starts, each the key of its suspect and its id, and no commit of
    /// that forgets them: of what is counted of them only the starts stay that are not among `known`. Counts without ids
    /// go, too.
    ///
    /// # Errors
    /// As every [`StoreError`]; then it may be asked again.
    pub async fn acquitted(&self, starts: &[(Uuid, Uuid)], known: &[Uuid]) -> Result<(), StoreError> {
        let (keys, ids): (Vec<Uuid>, Vec<Uuid>) = starts.iter().copied().unzip();
        let session = Session::open(self).await?;
        session.rows(ACQUIT, &[&keys, &ids, &known]).await?;
        session.rows(NO_SUSPECT, &[&keys]).await?;
        session.done();
        Ok(())
    }
}
