//! Who did what: append-only rows, each with the hash of the one before it, a chain per writer.

use crate::error::StoreError;
use crate::pool::Store;
use crate::submissions::Committed;
use serde_json::Value;
use std::net::IpAddr;
use time::OffsetDateTime;
use uuid::Uuid;

/// Who acted, without an identifier of a patient in the clear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// The patient, by pseudonym.
    Subject(Uuid),
    /// Somebody (or some backend) on a patient's behalf: the pseudonym of the token's `sub`.
    Delegate(Uuid),
    /// A person who operates the relay, by name.
    Operator(String),
    /// A process of ours, by name.
    System(String),
    /// Not known: what came can't be opened.
    Unknown,
}

/// Who sent something and from where: what an audit row says beside the deed itself.
///
/// The full remote address stays under seal in the envelope; the row keeps its network only
/// ([`network`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditFacts {
    /// Who.
    pub actor: Actor,
    /// The client application's id, from the token.
    pub client: Option<String>,
    /// The network of the remote address, as [`network`] gives it.
    pub from_network: Option<String>,
    /// The W3C trace id.
    pub trace_id: Option<String>,
}

/// The network that an address belongs to: /24 of IPv4, /48 of IPv6. An address can identify a
/// household, its network only a region of a provider.
#[must_use]
pub fn network(address: IpAddr) -> String {
    let _ = address;
    unimplemented!()
}

/// Something that was done, to be recorded. The time is taken when it is recorded.
#[derive(Debug, Clone)]
pub struct AuditEvent {
    /// What, as `noun.verb`, e.g. `submission.rejected`.
    pub action: String,
    /// How it ended: `ok`, or a reason's name.
    pub outcome: String,
    /// Who and from where.
    pub facts: AuditFacts,
    /// The submission, if it is about one.
    pub submission_id: Option<Uuid>,
    /// Its subject's pseudonym.
    pub pseudonym: Option<Uuid>,
    /// Its site.
    pub site_id: Option<String>,
    /// Its study.
    pub study_id: Option<String>,
    /// SHA-256 of the received bytes.
    pub body_sha256: Option<[u8; 32]>,
    /// When intake received it.
    pub received_at: Option<OffsetDateTime>,
    /// What else is worth keeping (a JSON object), never a value of a patient.
    pub details: Value,
}

/// The writing end of one chain: one for each task that commits, so that no two share a head.
///
/// Its head is known from the last commit. Any error makes it stale, and the next transaction
/// reads the head from the table: no gap and no fork, even if nobody knows whether the last
/// `COMMIT` took effect.
#[derive(Debug)]
pub struct AuditChain {
    writer: Uuid,
    name: String,
}

impl AuditChain {
    /// A new chain for a writer of this name (process and task, e.g. `epro-worker/submissions`).
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { writer: Uuid::now_v7(), name: name.to_owned() }
    }

    /// The chain's id, `audit.event.writer`.
    #[must_use]
    pub fn writer(&self) -> Uuid {
        let _ = &self.name;
        self.writer
    }
}

impl Store {
    /// Records events in one transaction, in their order.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn record(
        &self,
        chain: &mut AuditChain,
        events: &[AuditEvent],
    ) -> Result<Committed, StoreError> {
        let _ = (chain, events);
        unimplemented!()
    }
}
