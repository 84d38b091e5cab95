//! An event as a line of NDJSON: everything that its hash covers, so that the file can be checked by itself.

use std::borrow::Cow;
use std::ops::Deref;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::serde::rfc3339;
use uuid::Uuid;

use super::digest::Digest;
use super::row::Row;

/// One event of the trail. `name` is the writer's; the others are columns of `audit.event`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each is the column of its name")]
pub struct Event<S = String, R = Box<RawValue>> {
    pub writer: Uuid,
    pub name: S,
    pub seq: i64,
    #[serde(with = "rfc3339")]
    pub at: OffsetDateTime,
    pub action: S,
    pub outcome: S,
    pub actor: S,
    pub client: Option<S>,
    pub from_network: Option<S>,
    pub submission_id: Option<Uuid>,
    pub pseudonym: Option<Uuid>,
    pub site_id: Option<S>,
    pub study_id: Option<S>,
    pub body_sha256: Option<Digest>,
    #[serde(with = "rfc3339::option")]
    pub received_at: Option<OffsetDateTime>,
    /// The very text that was stored.
    pub details: Option<R>,
    pub trace_id: Option<S>,
    pub prev_hash: Digest,
    pub hash: Digest,
}

/// An event whose texts stay where they are: in the line that it was read from.
pub type Line<'l> = Event<Text<'l>, &'l RawValue>;

/// A text of a [`Line`]; a copy only where the line writes it with escapes.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub struct Text<'l>(#[serde(borrow)] Cow<'l, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<S: Deref<Target = str>, R: Deref<Target = RawValue>> Event<S, R> {
    /// What its hash covers.
    #[must_use]
    pub fn row(&self) -> Row<'_> {
        Row {
            writer: self.writer,
            seq: self.seq,
            at: self.at,
            action: &self.action,
            outcome: &self.outcome,
            actor: &self.actor,
            client: self.client.as_deref(),
            from_network: self.from_network.as_deref(),
            submission_id: self.submission_id,
            pseudonym: self.pseudonym,
            site_id: self.site_id.as_deref(),
            study_id: self.study_id.as_deref(),
            body_sha256: self.body_sha256.as_ref().map(|digest| &digest.0),
            received_at: self.received_at,
            details: self.details.as_deref().map(RawValue::get),
            trace_id: self.trace_id.as_deref(),
        }
    }

    /// The hash that it has to have.
    #[must_use]
    pub fn hashed(&self) -> Digest {
        Digest(self.row().hash(&self.prev_hash.0))
    }

    /// The same, gathered in a buffer of the caller's.
    pub fn hashed_in(&self, buffer: &mut Vec<u8>) -> Digest {
        Digest(self.row().hash_in(buffer, &self.prev_hash.0))
    }
}
