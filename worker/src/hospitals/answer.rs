//! What a hospital says to a call, reduced to codes: never a word of its own.

use std::time::Duration;

/// The hospital has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Taken {
    /// How it said so: `201 Created`, `AA`.
    pub note: String,
}

/// Why the hospital doesn't have it, or may not have it. A note holds status, FHIR issue codes and expressions,
/// MSA-1 and ERR codes; never free text of theirs, which may repeat what we sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CallError {
    /// The message's fault: HTTP 400, 410, 412, 413, 415, 422; HL7 AR.
    Refused { note: String },
    /// The hospital's fault or ours, whatever the message: HTTP 401, 403, 404, 405, a redirect, a certificate, our
    /// credentials, an answer that isn't of its protocol.
    Denied { note: String },
    /// 401 to credentials that were kept from an earlier call; those of the next call are new. As every call it needs
    /// leave of its own.
    Stale { note: String },
    /// Not now: HTTP 408, 423, 425, 429, 5xx; HL7 AE.
    Busy { retry_after: Option<Duration>, note: String },
    /// No answer: connection, timeout, an MLLP stall. It may have it.
    Silent { note: String },
}

impl CallError {
    /// What may be kept and shown.
    pub(crate) fn note(&self) -> &str {
        match self {
            Self::Refused { note }
            | Self::Denied { note }
            | Self::Stale { note }
            | Self::Busy { note, .. }
            | Self::Silent { note } => note,
        }
    }
}
