//! The trail as it is read: its heads for an anchor, its events page by page for whoever checks or exports it.

use crate::error::StoreError;
use crate::pool::Store;
use crate::session::Session;
use epro_schemas::audit::anchor::Head;
use epro_schemas::audit::digest::Digest;
use epro_schemas::audit::event::Event;
use serde_json::value::{RawValue, to_raw_value};
use tokio_postgres::Row;
use uuid::Uuid;

/// Events of a page.
const PAGE: i64 = 5_000;

/// One look into the index a chain, in one snapshot: whatever is in it is committed.
const HEADS: &str = "\
SELECT w.writer, h.seq, h.hash FROM audit.writer w CROSS JOIN LATERAL \
    (SELECT seq, hash FROM audit.event e WHERE e.writer = w.writer ORDER BY seq DESC LIMIT 1) h \
ORDER BY w.writer";

/// A time as `OffsetDateTime` and RFC 3339 can say it. Another one (`infinity`, a year above 9999 or before Christ) was
/// put there by somebody, and is read as one that no event has: its hash is wrong, and whoever verifies names it.
macro_rules! sayable {
    ($time:literal) => {
        concat!(
            "CASE WHEN ",
            $time,
            " NOT BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00' ",
            "THEN '0001-01-01 00:00:00+00' ELSE ",
            $time,
            " END"
        )
    };
}

/// The same for a text that is longer than any of ours: what an operator says is an argument, of at most 131,072 bytes.
/// How long it is PostgreSQL knows without reading it.
macro_rules! bounded {
    ($text:literal) => {
        concat!("CASE WHEN octet_length(", $text, ") > 200000 THEN 'too long' ELSE ", $text, " END")
    };
}

/// The same for a hash that is none.
macro_rules! hash {
    ($bytes:literal) => {
        concat!("CASE WHEN octet_length(", $bytes, ") <> 32 THEN '' ELSE ", $bytes, " END")
    };
}

/// What somebody has put there and no program could read, or not in one page with others, is read as something else:
/// an error would name no event, and keep everybody from all others. Of `details` the compressed size comes first:
/// only what is long even so has to be read to know how long it is.
const EVENTS: &str = concat!(
    "SELECT e.writer, CASE WHEN octet_length(w.name) <= 1000 THEN w.name ELSE '' END AS name, e.seq, ",
    sayable!("e.at"),
    ", ",
    bounded!("e.action"),
    ", ",
    bounded!("e.outcome"),
    ", ",
    bounded!("e.actor"),
    ", ",
    bounded!("e.client"),
    ", ",
    bounded!("e.from_network"),
    ", e.submission_id, e.pseudonym, ",
    bounded!("e.site_id"),
    ", ",
    bounded!("e.study_id"),
    ", ",
    hash!("e.body_sha256"),
    ", ",
    sayable!("e.received_at"),
    ", CASE WHEN pg_column_size(e.details) < 8000 THEN e.details::text ",
    "WHEN pg_column_size(e.details) > 16777216 OR octet_length(e.details::text) > 16777216 ",
    "THEN '\"too long\"' ELSE e.details::text END, ",
    bounded!("e.trace_id"),
    ", ",
    hash!("e.prev_hash"),
    ", ",
    hash!("e.hash"),
    " FROM audit.event e LEFT JOIN audit.writer w ON w.writer = e.writer ",
    "WHERE (e.writer, e.seq) >= ($1::uuid, $2::bigint) ORDER BY e.writer, e.seq LIMIT $3"
);

/// All pages of one copy are of one instant. Whoever writes it away may take its time: nothing waits for who only reads.
const SNAPSHOT: &str = "\
BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL idle_in_transaction_session_timeout = 0";

/// The heads of an anchor that the trail doesn't have as they were.
const MISSING: &str = "\
SELECT a.writer FROM unnest($1::uuid[], $2::bigint[], $3::bytea[]) AS a (writer, seq, hash) \
LEFT JOIN audit.event e ON e.writer = a.writer AND e.seq = a.seq WHERE e.hash IS DISTINCT FROM a.hash";

/// The trail as it is read, page by page. With one of one instant its connection is closed: no transaction outlives who
/// reads.
pub struct AuditReading {
    how: How,
    next: Option<(Uuid, i64)>,
}

enum How {
    PageByPage(Store),
    AtOneInstant(Box<Session>),
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

    /// All events, each page as it is when it is read.
    #[must_use]
    pub fn audit_events(&self) -> AuditReading {
        AuditReading { how: How::PageByPage(self.clone()), next: Some(FIRST) }
    }

    /// All events that there are when the first page is read.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn audit_snapshot(&self) -> Result<AuditReading, StoreError> {
        let session = Session::open_with(self, SNAPSHOT).await?;
        Ok(AuditReading { how: How::AtOneInstant(Box::new(session)), next: Some(FIRST) })
    }
}

impl AuditReading {
    /// The next events, in the order of writer and sequence; none: there are no more.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn next_events(&mut self) -> Result<Vec<Event>, StoreError> {
        let Some(next) = self.next else { return Ok(Vec::new()) };
        let events = match &self.how {
            How::AtOneInstant(session) => page(session, next).await?,
            How::PageByPage(store) => {
                let session = Session::open(store).await?;
                let events = page(&session, next).await?;
                session.done();
                events
            }
        };
        if let Some(last) = events.last() {
            self.next = behind(last.writer, last.seq);
        }
        Ok(events)
    }
}

/// The first place that there can be: nothing that somebody puts before the first event goes unseen.
const FIRST: (Uuid, i64) = (Uuid::nil(), i64::MIN);

/// The place behind one, unless it is the last that there can be.
fn behind(writer: Uuid, seq: i64) -> Option<(Uuid, i64)> {
    match seq.checked_add(1) {
        Some(seq) => Some((writer, seq)),
        None => Some((Uuid::from_u128(writer.as_u128().checked_add(1)?), i64::MIN)),
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

/// The stored text, if it comes out of a line of NDJSON as it went in. One with white space around it, with a line end,
/// or `null` in place of nothing, was put there by somebody: it is told as a text, and its hash is wrong.
fn raw(text: &str) -> Result<Box<RawValue>, StoreError> {
    match RawValue::from_string(text.to_owned()) {
        Ok(raw) if raw.get() == text && text != "null" && !text.contains(['\r', '\n']) => Ok(raw),
        _ => to_raw_value(text).map_err(|_| StoreError::internal()),
    }
}
