//! Why an export isn't made now, and what follows.

use std::fmt;

use epro_process::objects::ObjectsError;
use epro_schemas::seal::OpenError;
use epro_store::StoreError;
use epro_store::exports::Going;

/// Why an export isn't made now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The slot's lease is lost, or the process leaves.
    Stopped,
    /// It is to be ended, or another run has it.
    Going(Going),
    /// PostgreSQL.
    Store(StoreError),
    /// The object storage.
    Objects(ObjectsError),
    /// A row lies under a key that this process doesn't have: it may come, at no charge.
    UnknownKey,
    /// A row that can't be written, with the rule that it breaks.
    Row(&'static str),
}

impl Trouble {
    /// Why something under seal can't be read: without its key it waits, otherwise it breaks `rule`.
    pub(super) fn unopened(error: &OpenError, rule: &'static str) -> Self {
        match error {
            OpenError::UnknownKey { .. } => Self::UnknownKey,
            OpenError::Tampered | OpenError::Malformed => Self::Row(rule),
        }
    }

    /// Whether a try is charged: a database that is away and a key that is late cost none, and nothing that somebody
    /// wants so.
    pub(super) fn is_charged(&self) -> bool {
        match self {
            Self::Stopped | Self::Going(_) | Self::Store(StoreError::Away { .. }) | Self::UnknownKey => false,
            Self::Store(_) | Self::Objects(_) | Self::Row(_) => true,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("the replica leaves"),
            Self::Going(_) => f.write_str("it isn't wanted, or not from here"),
            Self::Store(error) => error.fmt(f),
            Self::Objects(error) => error.fmt(f),
            Self::UnknownKey => f.write_str("it waits for a seal key that the worker doesn't have yet"),
            Self::Row(rule) => f.write_str(rule),
        }
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<ObjectsError> for Trouble {
    fn from(error: ObjectsError) -> Self {
        Self::Objects(error)
    }
}
