//! Who did what: append-only rows, each with the hash of the one before it, a chain per writer.
//!
//! [`epro_schemas::audit::row`] says which bytes a hash covers.

mod anchored;
mod chain;
mod read;
mod search;

pub use chain::AuditChain;
pub(crate) use chain::{Entries, Head, Record, microseconds};
pub use read::AuditReading;
pub use search::{Found, Search};

use crate::error::StoreError;
use crate::pool::Store;
use crate::submissions::Committed;
use crate::transaction::Transaction;
use serde_json::Value;
use std::fmt;
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

impl Actor {
    /// Whether an actor as it was written down is a process of ours.
    pub(crate) fn is_system(written: &str) -> bool {
        written.starts_with("system:")
    }
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
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => network(IpAddr::V4(mapped)),
            None => {
                let [a, b, c, ..] = address.segments();
                format!("{}/48", std::net::Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
            }
        },
    }
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

impl From<&str> for Actor {
    fn from(name: &str) -> Self {
        Self::Operator(name.to_owned())
    }
}

impl From<&String> for Actor {
    fn from(name: &String) -> Self {
        Self::Operator(name.clone())
    }
}

impl From<Actor> for AuditFacts {
    fn from(actor: Actor) -> Self {
        Self::by(actor)
    }
}

impl From<&str> for AuditFacts {
    fn from(name: &str) -> Self {
        Self::by(name)
    }
}

impl From<&String> for AuditFacts {
    fn from(name: &String) -> Self {
        Self::by(name)
    }
}

impl AuditFacts {
    /// Somebody of ours, not a request: no client, no network.
    #[must_use]
    pub fn by(actor: impl Into<Actor>) -> Self {
        Self { actor: actor.into(), client: None, from_network: None, trace_id: None }
    }
}

impl AuditEvent {
    /// An event that is about no submission.
    #[must_use]
    pub fn about(action: &str, outcome: &str, facts: AuditFacts, details: Value) -> Self {
        Self {
            action: action.to_owned(),
            outcome: outcome.to_owned(),
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

    pub(crate) fn record(&self) -> Record<'_> {
        Record {
            action: &self.action,
            outcome: &self.outcome,
            facts: &self.facts,
            submission_id: self.submission_id,
            pseudonym: self.pseudonym,
            site_id: self.site_id.as_deref(),
            study_id: self.study_id.as_deref(),
            body_sha256: self.body_sha256.as_ref(),
            received_at: self.received_at,
            details: (!self.details.is_null()).then(|| self.details.to_string()),
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subject(pseudonym) => write!(f, "subject:{pseudonym}"),
            Self::Delegate(pseudonym) => write!(f, "delegate:{pseudonym}"),
            Self::Operator(name) => write!(f, "operator:{name}"),
            Self::System(name) => write!(f, "system:{name}"),
            Self::Unknown => f.write_str("unknown"),
        }
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
        let records: Vec<Record<'_>> = events.iter().map(AuditEvent::record).collect();
        Transaction::begin(self, chain).await?.commit(Vec::new(), &records).await
    }
}
