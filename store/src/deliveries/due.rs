//! What a delivery's message asks for, as the rows say it now.

use super::{DeliveryKey, first};
use crate::error::StoreError;
use crate::pool::Store;
use crate::session::Session;
use crate::submissions::Committed;
use std::fmt;
use std::time::Duration;
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

/// Still to be sent, by this message.
macro_rules! open {
    () => {
        "WHERE d.submission_id = $1 AND d.pseudonym = $2 AND d.generation <= $3 \
         AND d.state IN ('queued', 'unsent', 'waits') "
    };
}

macro_rules! successor {
    () => {
        "EXISTS (SELECT FROM identified.submission n WHERE n.amends = d.submission_id AND n.pseudonym = d.pseudonym)"
    };
}

/// The hospital gets the newest version only.
const SUPERSEDE: &str = concat!(
    "UPDATE ops.delivery d SET state = 'superseded', state_at = now() ",
    open!(),
    "AND ",
    successor!()
);

/// Before the call: if nobody learns what became of it, what amends this must go as a correction.
const BEGIN: &str = concat!(
    "UPDATE ops.delivery d SET begun = true ",
    open!(),
    "AND NOT d.begun AND NOT ",
    successor!(),
    " RETURNING true"
);

/// The call that was to follow wasn't made. Another owner may have begun one since: only who still holds the lease
/// knows that none did.
const NOT_BEGUN: &str = concat!(
    "UPDATE ops.delivery d SET begun = false ",
    open!(),
    "AND EXISTS (SELECT FROM ops.lease l WHERE l.kind = 'hospital' AND l.key = d.site_id ",
    "AND l.owner = $4 AND l.term = $5 AND l.until > clock_timestamp())"
);

const DUE: &str = concat!(
    "WITH RECURSIVE version AS (",
    "SELECT s.submission_id, s.amends, 0 AS back FROM identified.submission s ",
    "WHERE s.submission_id = $1 AND s.pseudonym = $2 ",
    "UNION ALL ",
    "SELECT b.submission_id, b.amends, v.back + 1 FROM version v JOIN identified.submission b ",
    "ON b.submission_id = v.amends AND b.pseudonym = $2 WHERE v.back < 1000) ",
    "SELECT d.state, d.generation, d.attempts, d.site_id, ",
    "extract(epoch FROM clock_timestamp() - d.created_at)::double precision AS age, ",
    "COALESCE(h.well_at > d.failed_at, false) AS well_since_failure, ",
    "s.study_id, s.instrument, s.received_at, s.message_id, s.sealed, ",
    "(SELECT v.submission_id FROM version v ORDER BY v.back DESC LIMIT 1) AS root, ",
    "EXISTS (SELECT FROM version v JOIN ops.delivery p ",
    "ON p.submission_id = v.submission_id AND p.pseudonym = $2 ",
    "WHERE v.back > 0 AND (p.begun OR p.state = 'done')) AS correction ",
    "FROM ops.delivery d ",
    "JOIN identified.submission s ON s.submission_id = d.submission_id AND s.pseudonym = d.pseudonym ",
    "LEFT JOIN ops.hospital_state h ON h.site_id = d.site_id ",
    "WHERE d.submission_id = $1 AND d.pseudonym = $2"
);

/// What a message asks for.
#[derive(Debug)]
pub enum Begun {
    /// To be sent; the row says that a call was begun.
    Due(Box<Due>),
    /// Nothing: it is done, set aside, or asked for by a newer message.
    Over(Committed),
    /// Nothing: a newer version is stored, and the row says so.
    Superseded(Committed),
    /// There is no such row.
    Absent,
}

/// A delivery that is to be sent. Debug shows no bytes.
pub struct Due {
    /// The row's; never older than the message's.
    pub generation: i32,
    /// Charged tries so far.
    pub attempts: i32,
    /// Since the row was written.
    pub age: Duration,
    /// The hospital has taken another message since this one last failed.
    pub well_since_failure: bool,
    /// The hospital's site.
    pub site_id: String,
    /// The submission's study.
    pub study_id: String,
    /// As `id|version`.
    pub instrument: String,
    /// When intake received it.
    pub received_at: OffsetDateTime,
    /// The id that the seal is bound to.
    pub message_id: Uuid,
    /// The sealed envelope.
    pub sealed: Vec<u8>,
    /// The first version of it: itself, unless it amends another.
    pub root: Uuid,
    /// The hospital has had an earlier version, or may have had it.
    pub correction: bool,
    /// No call was begun for it before: the row says so only since it was looked up.
    pub first_call: bool,
}

impl fmt::Debug for Due {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Due").field("generation", &self.generation).finish_non_exhaustive()
    }
}

impl Store {
    /// Looks up what a message asks for. If it is to be sent, the row is marked as begun first.
    ///
    /// # Errors
    /// As every [`StoreError`]; asked again it answers the same.
    pub async fn begin_delivery(&self, key: DeliveryKey) -> Result<Begun, StoreError> {
        let session = Session::open(self).await?;
        let steps = vec![
            key.asks(SUPERSEDE).with(key.generation),
            key.asks(BEGIN).with(key.generation),
            key.asks(DUE),
        ];
        let answers = session.pipeline(steps, false).await?;
        session.done();
        let first_call = first(&answers, 1).is_some();
        first(&answers, 2).map_or(Ok(Begun::Absent), |row| begun(key, row, first_call))
    }

    /// Its first call was not made after all by the owner of this lease: the hospital can't have it. Nothing is changed
    /// once that lease is over.
    ///
    /// # Errors
    /// As every [`StoreError`]; then what amends it goes as a correction, which may be one too many.
    pub async fn delivery_not_begun(
        &self,
        key: DeliveryKey,
        owner: Uuid,
        term: i64,
    ) -> Result<(), StoreError> {
        let session = Session::open(self).await?;
        let step = key.asks(NOT_BEGUN).with(key.generation).with(owner).with(term);
        session.pipeline(vec![step], false).await?;
        session.done();
        Ok(())
    }
}

fn begun(key: DeliveryKey, row: &Row, first_call: bool) -> Result<Begun, StoreError> {
    // What is read is committed: a statement sees nothing else.
    let committed = Committed::after_commit();
    let generation: i32 = row.try_get("generation")?;
    match row.try_get("state")? {
        _ if generation > key.generation => return Ok(Begun::Over(committed)),
        "queued" | "unsent" | "waits" => {}
        "superseded" => return Ok(Begun::Superseded(committed)),
        _ => return Ok(Begun::Over(committed)),
    }
    let age: f64 = row.try_get("age")?;
    Ok(Begun::Due(Box::new(Due {
        generation,
        attempts: row.try_get("attempts")?,
        age: Duration::try_from_secs_f64(age).unwrap_or_default(),
        well_since_failure: row.try_get("well_since_failure")?,
        site_id: row.try_get("site_id")?,
        study_id: row.try_get("study_id")?,
        instrument: row.try_get("instrument")?,
        received_at: row.try_get("received_at")?,
        message_id: row.try_get("message_id")?,
        sealed: row.try_get("sealed")?,
        root: row.try_get("root")?,
        correction: row.try_get("correction")?,
        first_call,
    })))
}
