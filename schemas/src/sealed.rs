//! Bodies of messages: under a seal that is bound to the message's type and id.
//!
//! A message is published with such a body and with no other, so that no publisher can forget to seal. Whoever may
//! publish to the broker and has no key can neither read what is in there, nor make one that anybody acts on.

use std::fmt;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::alert::{Acknowledgement, AlertMessage, DeliveryMessage, RiskMessage};
use crate::audit_note::AuditNote;
use crate::envelope;
use crate::export::{ExportCancel, ExportRequest};
use crate::kind;
use crate::report::Job;
use crate::seal::{KeyRing, OpenError, SealError, Sealer, key_id_of};

/// What a message says, as JSON under its seal. A submission's says more than JSON: it is an [`envelope`].
pub trait Says: Serialize + DeserializeOwned {
    /// The message's type.
    const KIND: &'static str;
}

impl Says for AlertMessage {
    const KIND: &'static str = kind::ALERT;
}

impl Says for DeliveryMessage {
    const KIND: &'static str = kind::DELIVERY;
}

impl Says for RiskMessage {
    const KIND: &'static str = kind::RISK;
}

impl Says for Acknowledgement {
    const KIND: &'static str = kind::ACKNOWLEDGEMENT;
}

impl Says for AuditNote {
    const KIND: &'static str = kind::AUDIT;
}

impl Says for ExportRequest {
    const KIND: &'static str = kind::EXPORT;
}

impl Says for ExportCancel {
    const KIND: &'static str = kind::EXPORT_CANCEL;
}

impl Says for Job {
    const KIND: &'static str = kind::REPORT;
}

/// The body of one message, with the type and the id that its seal is bound to.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedBody {
    kind: String,
    message_id: Uuid,
    bytes: Bytes,
}

/// A body that tells nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It doesn't open.
    #[error(transparent)]
    Closed(#[from] OpenError),
    /// One of ours has sealed it, and it isn't what its type says.
    #[error("what the seal held is something else")]
    Foreign,
}

impl Sealer {
    /// The body of a message of that id.
    ///
    /// # Errors
    /// As [`KeyRing::seal`].
    pub fn body<S: Says>(&mut self, message_id: Uuid, says: &S) -> Result<SealedBody, SealError> {
        // Flat structs of strings, times, numbers and UUIDs: nothing in them can fail to serialize.
        let plain = serde_json::to_vec(says).map_err(|_| SealError)?;
        self.sealed(S::KIND, message_id, &plain)
    }

    /// The same of a submission.
    ///
    /// # Errors
    /// The same.
    pub fn submission(
        &mut self,
        message_id: Uuid,
        envelope: &envelope::Parts<'_>,
    ) -> Result<SealedBody, SealError> {
        self.sealed(kind::SUBMISSION, message_id, &envelope.encode())
    }

    fn sealed(&mut self, kind: &str, message_id: Uuid, plain: &[u8]) -> Result<SealedBody, SealError> {
        let bytes = self.seal(kind, message_id, plain)?.into();
        Ok(SealedBody { kind: kind.to_owned(), message_id, bytes })
    }
}

impl KeyRing {
    /// The body of the only message that is made now; of many: [`Sealer::body`].
    ///
    /// # Errors
    /// As [`KeyRing::seal`].
    pub fn body<S: Says>(&self, message_id: Uuid, says: &S) -> Result<SealedBody, SealError> {
        self.sealer(1).body(message_id, says)
    }

    /// What the body of a message of that id says. That its type is `S`'s is part of what the seal shows.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read<S: Says>(&self, message_id: Uuid, body: &[u8]) -> Result<S, ReadError> {
        let plain = self.open(S::KIND, message_id, body)?;
        serde_json::from_slice(&plain).map_err(|_| ReadError::Foreign)
    }
}

impl SealedBody {
    /// A body that came from somewhere, passed on untouched: parked, or redriven. Nothing is known of it, and nothing
    /// is proven: whoever opens it finds out. Never for what one of ours says.
    #[must_use]
    pub fn as_it_came(kind: String, message_id: Uuid, bytes: Bytes) -> Self {
        Self { kind, message_id, bytes }
    }

    /// The message's type, such as `epro.submission.v1`.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The message's own id: a new one for each message, also for the same submission.
    #[must_use]
    pub fn message_id(&self) -> Uuid {
        self.message_id
    }

    /// As it travels.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The id of the key that seals it, as it says itself; `None`: it isn't sealed.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        key_id_of(&self.bytes)
    }

    /// Type, id and bytes.
    #[must_use]
    pub fn into_parts(self) -> (String, Uuid, Bytes) {
        (self.kind, self.message_id, self.bytes)
    }
}

impl fmt::Debug for SealedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedBody")
            .field("kind", &self.kind)
            .field("message_id", &self.message_id)
            .field("bytes", &self.bytes.len())
            .finish()
    }
}
