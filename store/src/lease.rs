//! Ownership that expires, by the database's clock.

use crate::error::StoreError;
use crate::pool::Store;
use crate::session::Session;
use crate::step::Step;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Rows for keys that are new.
const KEYS: &str = "\
INSERT INTO ops.lease (kind, key) SELECT $1, key FROM unnest($2::text[]) AS key ORDER BY key \
ON CONFLICT DO NOTHING";

/// This owner is here, also if it owns nothing yet.
const HERE: &str = "\
INSERT INTO ops.lease_owner (kind, owner, until) \
VALUES ($1, $2, clock_timestamp() + $3::double precision * interval '1 second') \
ON CONFLICT (kind, owner) DO UPDATE SET until = excluded.until";

const GONE: &str = "\
DELETE FROM ops.lease_owner WHERE kind = $1 AND until < clock_timestamp() - interval '1 hour'";

/// SKIP LOCKED: two owners that want the same free row don't wait for each other, the second takes
/// another one or none.
const ROUND: &str = "\
WITH others AS (SELECT count(*) AS n FROM ops.lease_owner \
    WHERE kind = $1 AND owner <> $2 AND until > clock_timestamp()), \
share AS (SELECT ceil(cardinality($4::text[])::double precision / (others.n + 1))::bigint AS n FROM others), \
mine AS (SELECT key FROM ops.lease \
    WHERE kind = $1 AND key = ANY ($4) AND owner = $2 AND until > clock_timestamp() \
    ORDER BY key LIMIT (SELECT n FROM share) FOR UPDATE SKIP LOCKED), \
free AS (SELECT key FROM ops.lease \
    WHERE kind = $1 AND key = ANY ($4) AND until <= clock_timestamp() \
    ORDER BY until, key LIMIT (SELECT n - (SELECT count(*) FROM mine) FROM share) FOR UPDATE SKIP LOCKED) \
UPDATE ops.lease l SET owner = $2, \
    term = l.term + CASE WHEN l.owner = $2 AND l.until > clock_timestamp() THEN 0 ELSE 1 END, \
    until = clock_timestamp() + $3::double precision * interval '1 second' \
FROM (SELECT key FROM mine UNION ALL SELECT key FROM free) AS held \
WHERE l.kind = $1 AND l.key = held.key RETURNING l.key, l.term";

const RELEASE: &str = "\
UPDATE ops.lease SET owner = NULL, until = clock_timestamp() \
WHERE kind = $1 AND owner = $2 AND until > clock_timestamp()";

const RELEASE_ONE: &str = "\
UPDATE ops.lease SET owner = NULL, until = clock_timestamp() \
WHERE kind = $1 AND owner = $2 AND key = $3 AND term = $4 AND until > clock_timestamp()";

const LEAVE: &str = "DELETE FROM ops.lease_owner WHERE kind = $1 AND owner = $2";

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
        let session = Session::open(self).await?;
        let LeaseRound { kind, owner, keys, ttl } = *round;
        let seconds = ttl.as_secs_f64();
        let steps = vec![
            Step::new(KEYS).with(kind).with(keys),
            Step::new(GONE).with(kind),
            Step::new(HERE).with(kind).with(owner).with(seconds),
            Step::new(ROUND).with(kind).with(owner).with(seconds).with(keys),
        ];
        let until = Instant::now() + ttl;
        let answers = session.pipeline(steps, false).await?;
        session.done();
        let held = answers.last().ok_or_else(StoreError::internal)?;
        held.iter().map(|row| Ok(Lease { key: row.try_get(0)?, term: row.try_get(1)?, until })).collect()
    }

    /// Gives up one lease, when nothing more is done under it: a successor need not wait for its end.
    ///
    /// # Errors
    /// As every [`StoreError`]; then it simply expires.
    pub async fn release_lease(
        &self,
        kind: &str,
        owner: Uuid,
        key: &str,
        term: i64,
    ) -> Result<(), StoreError> {
        let session = Session::open(self).await?;
        let step = Step::new(RELEASE_ONE).with(kind).with(owner).with(key).with(term);
        session.pipeline(vec![step], false).await?;
        session.done();
        Ok(())
    }

    /// Gives up every lease of this owner and kind at once, when it leaves and makes no more calls.
    ///
    /// # Errors
    /// As every [`StoreError`]; then they simply expire.
    pub async fn release_leases(&self, kind: &str, owner: Uuid) -> Result<(), StoreError> {
        let session = Session::open(self).await?;
        let steps = vec![Step::new(RELEASE).with(kind).with(owner), Step::new(LEAVE).with(kind).with(owner)];
        session.pipeline(steps, false).await?;
        session.done();
        Ok(())
    }
}
