//! Why something was set aside, and where it stands since.

use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// Why something was set aside. The names are stored and shown: they never change meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Class {
    /// Can't be decoded, or opened although the key is known.
    Unreadable,
    /// Same identity, other content.
    Conflict,
    /// Amends a submission that already has a successor.
    Stale,
    /// Amends a submission that never came.
    BaseAbsent,
    /// Names a key, an instrument or a version that nobody learned to know in time.
    Unknown,
    /// Breaks a rule of its instrument or of the wire format.
    Invalid,
    /// The database refuses its row.
    Refused,
    /// Started three times and never finished.
    Quarantined,
    /// A stage panicked over it.
    Panicked,
    /// The broker set it aside: the reason is the detail.
    Broker,
    /// A hospital refused it.
    HospitalRefused,
    /// A hospital that took others did not take it, as often or as long as it may be tried.
    Undeliverable,
    /// A risk model answered about it in a way that can't be used, as often as it may be asked.
    NotScored,
}

/// Where a dead letter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeadLetterState {
    /// Waits for somebody.
    Open,
    /// Published again.
    Redriven,
    /// Given up by an operator with a reason.
    Discarded,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Unreadable,
        Self::Conflict,
        Self::Stale,
        Self::BaseAbsent,
        Self::Unknown,
        Self::Invalid,
        Self::Refused,
        Self::Quarantined,
        Self::Panicked,
        Self::Broker,
        Self::HospitalRefused,
        Self::Undeliverable,
        Self::NotScored,
    ];

    /// Its name in the table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Conflict => "conflict",
            Self::Stale => "stale",
            Self::BaseAbsent => "base_absent",
            Self::Unknown => "unknown",
            Self::Invalid => "invalid",
            Self::Refused => "refused",
            Self::Quarantined => "quarantined",
            Self::Panicked => "panicked",
            Self::Broker => "broker",
            Self::HospitalRefused => "hospital_refused",
            Self::Undeliverable => "undeliverable",
            Self::NotScored => "not_scored",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Not the name of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a class of dead letters")]
pub struct UnknownClass;

impl FromStr for Class {
    type Err = UnknownClass;

    fn from_str(name: &str) -> Result<Self, UnknownClass> {
        Self::ALL.into_iter().find(|class| class.as_str() == name).ok_or(UnknownClass)
    }
}

impl DeadLetterState {
    /// Its name in the table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Redriven => "redriven",
            Self::Discarded => "discarded",
        }
    }
}
