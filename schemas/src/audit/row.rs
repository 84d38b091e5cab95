//! A row of the trail, and the bytes that its hash covers.
//!
//! A row's `hash` is SHA-256 over, in this order, the bytes of [`VERSION`], each of its columns and
//! the `prev_hash`. A column is one byte 0 if it is null; otherwise one byte 1, its length as four
//! bytes and its value; all numbers are big-endian. The columns, in their order: `writer` (16
//! bytes), `seq` (8), `at` (8: microseconds since 1970 UTC), `action`, `outcome`, `actor`, `client`,
//! `from_network` (UTF-8), `submission_id`, `pseudonym` (16), `site_id`, `study_id`, `body_sha256`
//! (32), `received_at` (as `at`), `details` (its text as stored), `trace_id`. The first `prev_hash` of
//! a chain is SHA-256 over the bytes of [`VERSION`] and the columns `writer` and `name` of
//! `audit.writer`.

use time::OffsetDateTime;
use uuid::Uuid;

use super::digest::Digest;

/// What every hash of a chain begins with: names the algorithm that this module describes.
pub const VERSION: &str = "epro.audit.v1";

/// What a row says, and its place in its chain.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "each is the column of its name")]
pub struct Row<'a> {
    pub writer: Uuid,
    pub seq: i64,
    pub at: OffsetDateTime,
    pub action: &'a str,
    pub outcome: &'a str,
    pub actor: &'a str,
    pub client: Option<&'a str>,
    pub from_network: Option<&'a str>,
    pub submission_id: Option<Uuid>,
    pub pseudonym: Option<Uuid>,
    pub site_id: Option<&'a str>,
    pub study_id: Option<&'a str>,
    pub body_sha256: Option<&'a [u8; 32]>,
    pub received_at: Option<OffsetDateTime>,
    pub details: Option<&'a str>,
    pub trace_id: Option<&'a str>,
}

impl Row<'_> {
    /// Its hash behind a row whose hash is `prev_hash`.
    #[must_use]
    pub fn hash(&self, prev_hash: &[u8; 32]) -> [u8; 32] {
        self.hash_in(&mut Vec::with_capacity(512), prev_hash)
    }

    /// The same for whoever hashes many: the bytes are gathered in `buffer`, whatever was in it.
    pub fn hash_in(&self, buffer: &mut Vec<u8>, prev_hash: &[u8; 32]) -> [u8; 32] {
        let mut hash = Hash::new(buffer);
        hash.column(Some(self.writer.as_bytes()));
        hash.column(Some(&self.seq.to_be_bytes()));
        hash.column(Some(&instant(self.at)));
        hash.column(Some(self.action.as_bytes()));
        hash.column(Some(self.outcome.as_bytes()));
        hash.column(Some(self.actor.as_bytes()));
        hash.column(self.client.map(str::as_bytes));
        hash.column(self.from_network.map(str::as_bytes));
        hash.column(self.submission_id.as_ref().map(|id| id.as_bytes().as_slice()));
        hash.column(self.pseudonym.as_ref().map(|id| id.as_bytes().as_slice()));
        hash.column(self.site_id.map(str::as_bytes));
        hash.column(self.study_id.map(str::as_bytes));
        hash.column(self.body_sha256.map(<[u8; 32]>::as_slice));
        hash.column(self.received_at.map(instant).as_ref().map(<[u8; 8]>::as_slice));
        hash.column(self.details.map(str::as_bytes));
        hash.column(self.trace_id.map(str::as_bytes));
        hash.finish(prev_hash)
    }
}

/// The `prev_hash` of the first row of a chain.
#[must_use]
pub fn genesis(writer: Uuid, name: &str) -> [u8; 32] {
    let mut buffer = Vec::with_capacity(128);
    let mut hash = Hash::new(&mut buffer);
    hash.column(Some(writer.as_bytes()));
    hash.column(Some(name.as_bytes()));
    hash.finish(&[])
}

/// The bytes are gathered first: one call for a few hundred of them costs less than forty small ones.
struct Hash<'b>(&'b mut Vec<u8>);

impl<'b> Hash<'b> {
    fn new(buffer: &'b mut Vec<u8>) -> Self {
        buffer.clear();
        buffer.extend_from_slice(VERSION.as_bytes());
        Self(buffer)
    }

    fn column(&mut self, value: Option<&[u8]>) {
        match value {
            None => self.0.push(0),
            Some(value) => {
                self.0.push(1);
                self.0.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
                self.0.extend_from_slice(value);
            }
        }
    }

    fn finish(self, last: &[u8]) -> [u8; 32] {
        self.0.extend_from_slice(last);
        Digest::of(self.0).0
    }
}

fn instant(at: OffsetDateTime) -> [u8; 8] {
    let microseconds = at.unix_timestamp_nanos() / 1_000;
    i64::try_from(microseconds).unwrap_or(i64::MAX).to_be_bytes()
}
