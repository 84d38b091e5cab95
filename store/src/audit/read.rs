//! The trail as it is read: its heads for an anchor, its events page by page for whoever checks or exports it, and what
//! it says itself of its anchors.

use crate::error::StoreError;
use crate::pool::Store;
use crate::session::Session;
use epro_schemas::audit::anchor::{self, Head};
use epro_schemas::audit::digest::Digest;
use epro_schemas::audit::event::Event;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio_postgres::Row;
use uuid::Uuid;

/// Events of a page.
const PAGE: i64 = 5_000;

/// One look into the index a chain, in one snapshot: whatever is in it is committed.
const HEADS: &str = "\
SELECT w.writer, h.seq, h.hash FROM audit.writer w CROSS JOIN LATERAL \
    (SELECT seq, hash FROM audit.event e WHERE e.writer = w.writer ORDER BY seq DESC LIMIT 1) h \
ORDER BY w.writer";

const EVENTS: &str = "\
SELECT e.writer, coalesce(w.name, '') AS name, e.seq, e.at, e.action, e.outcome, e.actor, e.client, \
    e.from_network, e.submission_id, e.pseudonym, e.site_id, e.study_id, e.body_sha256, e.received_at, \
    e.details::text AS details, e.trace_id, e.prev_hash, e.hash \
FROM audit.event e LEFT JOIN audit.writer w ON w.writer = e.writer \
WHERE (e.writer, e.seq) > ($1::uuid, $2::bigint) ORDER BY e.writer, e.seq LIMIT $3";

/// All pages of one copy are of one instant. Whoever writes it away may take its time: nothing waits for who only reads.
const SNAPSHOT: &str = "\
BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL idle_in_transaction_session_timeout = 0";

/// The last event of the chain that tells of anchors.
const LAST_ANCHOR: &str =
    "SELECT left(e.details::text, 1000) FROM audit.event e WHERE e.writer = $1 ORDER BY e.seq DESC LIMIT 1";

/// The heads of an anchor that the trail doesn't have as they were.
const MISSING: &str = "\
SELECT a.writer FROM unnest($1::uuid[], $2::bigint[], $3::bytea[]) AS a (writer, seq, hash) \
LEFT JOIN audit.event e ON e.writer = a.writer AND e.seq = a.seq WHERE e.hash IS DISTINCT FROM a.hash";

/// Where whoever reads all begins.
pub const BEFORE_ALL: (Uuid, i64) = (Uuid::nil(), 0);

/// The trail as it was at one instant. Its connection is closed with it: no transaction outlives who reads.
pub struct AuditSnapshot {
    session: Session,
    after: (Uuid, i64),
}

impl Store {
    /// The chains that don't have, or no longer have, these heads.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn audit_heads_missing(&self, heads: &[Head]) -> Result<Vec<Uuid>, StoreError> {
        let session = Session::open(self).await?;
        let writers: Vec<Uuid> = heads.iter().map(|head| head.writer).collect();
        let seqs: Vec<i64> = heads.iter().map(|head| head.seq).collect();
        let hashes: Vec<&[u8]> = heads.iter().map(|head| head.hash.0.as_slice()).collect();
        let rows = session.rows(MISSING, &[&writers, &seqs, &hashes]).await?;
        session.done();
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// The last event of every chain.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn audit_heads(&self) -> Result<Vec<Head>, StoreError> {
        let session = Session::open(self).await?;
        let rows = session.rows(HEADS, &[]).await?;
        session.done();
        let head = |row: &Row| {
            Ok(Head { writer: row.try_get(0)?, seq: row.try_get(1)?, hash: digest(row.try_get(2)?) })
        };
        rows.iter().map(head).collect()
    }

    /// The next events behind (`writer`, `seq`), in the order of both; none: there are no more.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn audit_events(&self, after: (Uuid, i64)) -> Result<Vec<Event>, StoreError> {
        let session = Session::open(self).await?;
        let events = page(&session, after).await?;
        session.done();
        Ok(events)
    }

    /// All events that there are when its first page is read.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn audit_snapshot(&self) -> Result<AuditSnapshot, StoreError> {
        Ok(AuditSnapshot { session: Session::open_with(self, SNAPSHOT).await?, after: BEFORE_ALL })
    }

    /// The number of the last anchor of which the trail tells; `None`: it tells of none.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn last_anchor(&self) -> Result<Option<u64>, StoreError> {
        #[derive(Deserialize)]
        struct Told {
            anchor: u64,
        }
        let session = Session::open(self).await?;
        let rows = session.rows(LAST_ANCHOR, &[&anchor::CHAIN]).await?;
        session.done();
        let Some(row) = rows.first() else { return Ok(None) };
        let told = row.try_get::<_, Option<&str>>(0)?.and_then(|text| serde_json::from_str(text).ok());
        Ok(told.map(|told: Told| told.anchor))
    }
}

impl AuditSnapshot {
    /// The next of them; none: there are no more.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn next_events(&mut self) -> Result<Vec<Event>, StoreError> {
        let events = page(&self.session, self.after).await?;
        if let Some(last) = events.last() {
            self.after = (last.writer, last.seq);
        }
        Ok(events)
    }
}

async fn page(session: &Session, (writer, seq): (Uuid, i64)) -> Result<Vec<Event>, StoreError> {
    session.rows(EVENTS, &[&writer, &seq, &PAGE]).await?.iter().map(event).collect()
}

fn event(row: &Row) -> Result<Event, StoreError> {
    Ok(Event {
        writer: row.try_get(0)?,
        name: row.try_get(1)?,
        seq: row.try_get(2)?,
        at: row.try_get(3)?,
        action: row.try_get(4)?,
        outcome: row.try_get(5)?,
        actor: row.try_get(6)?,
        client: row.try_get(7)?,
        from_network: row.try_get(8)?,
        submission_id: row.try_get(9)?,
        pseudonym: row.try_get(10)?,
        site_id: row.try_get(11)?,
        study_id: row.try_get(12)?,
        body_sha256: row.try_get::<_, Option<&[u8]>>(13)?.map(digest),
        received_at: row.try_get(14)?,
        details: row.try_get::<_, Option<&str>>(15)?.map(raw).transpose()?,
        trace_id: row.try_get(16)?,
        prev_hash: digest(row.try_get(17)?),
        hash: digest(row.try_get(18)?),
    })
}

/// A hash of another length was put there by somebody; it can only be wrong, and 32 zeros are as wrong.
fn digest(bytes: &[u8]) -> Digest {
    Digest(bytes.try_into().unwrap_or_default())
}

/// The stored text. No line of ours has a line end in it; one that somebody put there would break a line of
/// NDJSON, and its hash is wrong either way.
fn raw(text: &str) -> Result<Box<RawValue>, StoreError> {
    RawValue::from_string(text.replace(['\r', '\n'], " ")).map_err(|_| StoreError::internal())
}
