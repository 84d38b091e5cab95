//! The chain itself: heads, hashes, and the statements that append to it.

use super::AuditFacts;
use crate::error::StoreError;
use crate::step::Step;
use epro_schemas::audit::row::{self, genesis};
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

const WRITER: &str = "INSERT INTO audit.writer (writer, name) VALUES ($1, $2) ON CONFLICT DO NOTHING";

/// Not `current_user`: a role that was taken on hides nobody.
const LOGIN: &str = "SELECT session_user::text";

const HEAD: &str = "SELECT seq, hash FROM audit.event WHERE writer = $1 ORDER BY seq DESC LIMIT 1";

const APPEND: &str = "\
INSERT INTO audit.event (writer, seq, at, action, outcome, actor, client, from_network, submission_id, \
    pseudonym, site_id, study_id, body_sha256, received_at, details, trace_id, prev_hash, hash) \
SELECT $1::uuid, e.seq, $2::timestamptz, e.action, e.outcome, e.actor, e.client, e.from_network, \
    e.submission_id, e.pseudonym, e.site_id, e.study_id, e.body_sha256, e.received_at, e.details::json, \
    e.trace_id, e.prev_hash, e.hash \
FROM unnest($3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::uuid[], \
    $10::uuid[], $11::text[], $12::text[], $13::bytea[], $14::timestamptz[], $15::text[], $16::text[], \
    $17::bytea[], $18::bytea[]) \
    AS e (seq, action, outcome, actor, client, from_network, submission_id, pseudonym, site_id, study_id, \
    body_sha256, received_at, details, trace_id, prev_hash, hash)";

/// The writing end of one chain: one for each task that commits, so that no two share a head.
///
/// Its head is known from the last commit. Any error makes it stale, and the next transaction
/// reads the head from the table: no gap and no fork, even if nobody knows whether the last
/// `COMMIT` took effect.
#[derive(Debug)]
pub struct AuditChain {
    writer: Uuid,
    name: String,
    /// The name is yet to tell the login that writes.
    names_login: bool,
    head: Option<Head>,
}

/// The last row of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    seq: i64,
    hash: [u8; 32],
}

impl Head {
    fn before_first(writer: Uuid, name: &str) -> Self {
        Self { seq: 0, hash: genesis(writer, name) }
    }
}

/// What a row says, before it has its place in a chain.
pub(crate) struct Record<'a> {
    pub(crate) action: &'a str,
    pub(crate) outcome: &'a str,
    pub(crate) facts: &'a AuditFacts,
    pub(crate) submission_id: Option<Uuid>,
    pub(crate) pseudonym: Option<Uuid>,
    pub(crate) site_id: Option<&'a str>,
    pub(crate) study_id: Option<&'a str>,
    pub(crate) body_sha256: Option<&'a [u8; 32]>,
    pub(crate) received_at: Option<OffsetDateTime>,
    pub(crate) details: Option<String>,
}

impl<'a> Record<'a> {
    /// A record that is about no submission.
    pub(crate) fn about(
        action: &'a str,
        outcome: &'a str,
        facts: &'a AuditFacts,
        details: Option<String>,
    ) -> Self {
        Self {
            action,
            outcome,
            facts,
            submission_id: None,
            pseudonym: None,
            site_id: None,
            study_id: None,
            body_sha256: None,
            received_at: None,
            details,
        }
    }
}

/// Records with their places in a chain, ready to be written.
pub(crate) struct Entries<'a> {
    chain: (Uuid, String),
    opens: bool,
    at: OffsetDateTime,
    entries: Vec<Entry<'a>>,
    head: Head,
}

struct Entry<'a> {
    record: &'a Record<'a>,
    actor: String,
    received_at: Option<OffsetDateTime>,
    seq: i64,
    prev_hash: [u8; 32],
    hash: [u8; 32],
}

impl AuditChain {
    /// A new chain for a writer of this name (process and task, e.g. `epro-worker/submissions`).
    #[must_use]
    pub fn new(name: &str) -> Self {
        let writer = Uuid::now_v7();
        let head = Some(Head::before_first(writer, name));
        Self { writer, name: name.to_owned(), names_login: false, head }
    }

    /// A new chain whose name tells the login to PostgreSQL as well: `epro at node-1 as ann`. What somebody is called
    /// they say themselves; the login is the server's word, asked for before the first row.
    #[must_use]
    pub fn of_login(name: &str) -> Self {
        Self { writer: Uuid::now_v7(), name: name.to_owned(), names_login: true, head: None }
    }

    /// The one chain of a writer that comes again and again, and that only one process is at a time.
    #[must_use]
    pub fn of(writer: Uuid, name: &str) -> Self {
        Self { writer, name: name.to_owned(), names_login: false, head: None }
    }

    /// The chain's id, `audit.event.writer`.
    #[must_use]
    pub fn writer(&self) -> Uuid {
        self.writer
    }

    /// The head, if it is known; the chain is stale until it gets one back.
    pub(crate) fn take_head(&mut self) -> Option<Head> {
        self.head.take()
    }

    /// The head, if it is known and the chain's writer has its row.
    pub(crate) fn take_open_head(&mut self) -> Option<Head> {
        self.head.take_if(|head| head.seq > 0)
    }

    pub(crate) fn give_head(&mut self, head: Head) {
        self.head = Some(head);
    }

    /// Asks for the login, if the name is yet to tell it.
    pub(crate) fn read_login(&self) -> Option<Step<'static>> {
        self.names_login.then(|| Step::new(LOGIN))
    }

    /// What [`AuditChain::read_login`] found becomes a part of the name, and so of the first event's hash.
    pub(crate) fn name_login(&mut self, rows: &[Row]) -> Result<(), StoreError> {
        let login: &str = rows.first().ok_or_else(StoreError::internal)?.try_get(0)?;
        self.name = format!("{} as {login}", self.name);
        self.names_login = false;
        Ok(())
    }

    /// Reads a stale chain's head.
    pub(crate) fn read_head(&self) -> Step<'static> {
        Step::new(HEAD).with(self.writer)
    }

    /// What [`AuditChain::read_head`] found.
    pub(crate) fn head_of(&self, rows: &[Row]) -> Result<Head, StoreError> {
        let Some(row) = rows.first() else {
            return Ok(Head::before_first(self.writer, &self.name));
        };
        let hash: &[u8] = row.try_get("hash")?;
        let hash = hash.try_into().map_err(|_| StoreError::internal())?;
        Ok(Head { seq: row.try_get("seq")?, hash })
    }

    /// Gives each record its place behind `head`.
    pub(crate) fn entries<'a>(&self, head: Head, records: &'a [Record<'a>]) -> Entries<'a> {
        let opens = head.seq == 0;
        let at = microseconds(OffsetDateTime::now_utc());
        let mut head = head;
        let mut entries = Vec::with_capacity(records.len());
        let mut buffer = Vec::with_capacity(512);
        for record in records {
            let actor = record.facts.actor.to_string();
            let received_at = record.received_at.map(microseconds);
            let mut entry =
                Entry { record, actor, received_at, seq: head.seq + 1, prev_hash: head.hash, hash: [0; 32] };
            entry.hash = entry.hashed(&mut buffer, self.writer, at);
            head = Head { seq: entry.seq, hash: entry.hash };
            entries.push(entry);
        }
        Entries { chain: (self.writer, self.name.clone()), opens, at, entries, head }
    }
}

impl Entries<'_> {
    /// The chain's head once these are committed.
    pub(crate) fn head(&self) -> Head {
        self.head
    }

    /// Columns for a statement that knows the rest of what the records say: who, and the places.
    pub(crate) fn places<'s>(&'s self, step: Step<'s>) -> Step<'s> {
        let e = &self.entries[..];
        step.column(e, |e| e.actor.as_str())
            .column(e, |e| e.record.facts.client.as_deref())
            .column(e, |e| e.record.facts.from_network.as_deref())
            .column(e, |e| e.record.facts.trace_id.as_deref())
            .column(e, |e| e.prev_hash.as_slice())
            .column(e, |e| e.hash.as_slice())
            .with(self.chain.0)
            .with(e.first().map_or(0, |first| first.seq - 1))
            .with(self.at)
    }

    /// The statements that write them.
    pub(crate) fn steps(&self) -> Vec<Step<'_>> {
        if self.entries.is_empty() {
            return Vec::new();
        }
        let (writer, name) = &self.chain;
        let e = &self.entries[..];
        let append = Step::new(APPEND)
            .with(*writer)
            .with(self.at)
            .column(e, |e| e.seq)
            .column(e, |e| e.record.action)
            .column(e, |e| e.record.outcome)
            .column(e, |e| e.actor.as_str())
            .column(e, |e| e.record.facts.client.as_deref())
            .column(e, |e| e.record.facts.from_network.as_deref())
            .column(e, |e| e.record.submission_id)
            .column(e, |e| e.record.pseudonym)
            .column(e, |e| e.record.site_id)
            .column(e, |e| e.record.study_id)
            .column(e, |e| e.record.body_sha256.map(<[u8; 32]>::as_slice))
            .column(e, |e| e.received_at)
            .column(e, |e| e.record.details.as_deref())
            .column(e, |e| e.record.facts.trace_id.as_deref())
            .column(e, |e| e.prev_hash.as_slice())
            .column(e, |e| e.hash.as_slice());
        let opening = self.opens.then(|| Step::new(WRITER).with(*writer).with(name.as_str()));
        opening.into_iter().chain([append]).collect()
    }
}

impl Entry<'_> {
    /// Its hash; the bytes that it covers are gathered in `buffer`.
    fn hashed(&self, buffer: &mut Vec<u8>, writer: Uuid, at: OffsetDateTime) -> [u8; 32] {
        let record = self.record;
        let row = row::Row {
            writer,
            seq: self.seq,
            at,
            action: record.action,
            outcome: record.outcome,
            actor: &self.actor,
            client: record.facts.client.as_deref(),
            from_network: record.facts.from_network.as_deref(),
            submission_id: record.submission_id,
            pseudonym: record.pseudonym,
            site_id: record.site_id,
            study_id: record.study_id,
            body_sha256: record.body_sha256,
            received_at: self.received_at,
            details: record.details.as_deref(),
            trace_id: record.facts.trace_id.as_deref(),
        };
        row.hash_in(buffer, &self.prev_hash)
    }
}

/// The instant as the table can hold it: what is hashed must be what is stored.
pub(crate) fn microseconds(at: OffsetDateTime) -> OffsetDateTime {
    at.replace_nanosecond(at.nanosecond() / 1_000 * 1_000).unwrap_or(at)
}
