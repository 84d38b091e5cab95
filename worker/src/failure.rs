//! Why a message could not be stored, and what follows from it: one verdict a kind, decided by type.

use epro_schemas::seal::OpenError;
use epro_schemas::sealed::ReadError;
use epro_schemas::violation::Violation;
use epro_store::StoreError;
use epro_store::dead_letters::Class;

/// Why a message could not be stored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Failure {
    /// It isn't a message that this lane understands: another type, or no message id.
    Foreign,
    /// Its seal was made with a key that this process doesn't have (yet).
    UnknownKey,
    /// Its body isn't sealed: nobody who has our keys wrote it.
    NotSealed,
    /// Its seal doesn't open although the key is known.
    Unopenable,
    /// What the seal held isn't an envelope.
    NoEnvelope,
    /// What the patient's device sent isn't a submission.
    Malformed(Vec<Violation>),
    /// Study or site isn't configured here (yet).
    UnknownPlace,
    /// Its instrument, or that version of it, isn't known here (yet).
    UnknownInstrument,
    /// Its answers break the rules of its instrument.
    Inconsistent(Vec<Violation>),
    /// It amends a submission that isn't stored (yet).
    BaseAbsent,
    /// PostgreSQL refuses its row, and its row alone.
    Refused(StoreError),
    /// It was started several times and never finished: the process ended, or a stage panicked.
    Quarantined,
    /// A stage panicked over it.
    Panicked,
    /// Its study's risk model isn't configured here (yet).
    UnknownModel,
    /// No such question for a risk model is stored.
    NoQuestion,
    /// The risk model's answers can't be used.
    NotScored {
        /// The rule that the last one breaks.
        rule: String,
    },
    /// The broker itself gave up on it.
    SetAsideByBroker {
        /// `delivery_limit`, `expired`, `rejected`, `maxlen`; empty if its way back led nowhere.
        reason: String,
    },
}

/// What follows from a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disposition {
    /// It can never succeed: a dead letter, then ack.
    SetAside(Class),
    /// Something is missing that may come: wait without charge, and a dead letter of this class when
    /// the budget is spent.
    Wait(Class),
    /// Give it back as a failed try: it comes again, alone.
    Requeue,
}

impl Failure {
    /// The verdict.
    pub(crate) fn disposition(&self) -> Disposition {
        match self {
            Self::Foreign | Self::NotSealed | Self::Unopenable | Self::NoEnvelope | Self::Malformed(_) => {
                Disposition::SetAside(Class::Unreadable)
            }
            Self::Inconsistent(_) => Disposition::SetAside(Class::Invalid),
            Self::UnknownKey | Self::UnknownPlace | Self::UnknownInstrument | Self::UnknownModel => {
                Disposition::Wait(Class::Unknown)
            }
            Self::BaseAbsent => Disposition::Wait(Class::BaseAbsent),
            Self::NoQuestion => Disposition::SetAside(Class::Unknown),
            Self::NotScored { .. } => Disposition::SetAside(Class::NotScored),
            Self::Refused(_) => Disposition::SetAside(Class::Refused),
            Self::Quarantined => Disposition::SetAside(Class::Quarantined),
            Self::SetAsideByBroker { .. } => Disposition::SetAside(Class::Broker),
            Self::Panicked => Disposition::Requeue,
        }
    }

    /// The stage that gave up.
    pub(crate) fn stage(&self) -> &'static str {
        match self {
            Self::Foreign | Self::UnknownKey | Self::NotSealed | Self::Unopenable | Self::NoEnvelope => {
                "open"
            }
            Self::Malformed(_) | Self::UnknownPlace | Self::UnknownInstrument | Self::Inconsistent(_) => {
                "clean"
            }
            Self::BaseAbsent | Self::Refused(_) => "commit",
            Self::Quarantined | Self::Panicked => "process",
            Self::NoQuestion | Self::UnknownModel => "look up",
            Self::NotScored { .. } => "call",
            Self::SetAsideByBroker { .. } => "broker",
        }
    }

    /// The rule that was broken, for the dead letter; never a value.
    pub(crate) fn rule(&self) -> String {
        match self {
            Self::Foreign => "not a message that this lane understands".into(),
            Self::UnknownKey => "the key that sealed it isn't known here".into(),
            Self::NotSealed => "its body isn't sealed: nobody who has our keys wrote it".into(),
            Self::Unopenable => "its seal doesn't open although the key is known".into(),
            Self::NoEnvelope => "what the seal held isn't an envelope".into(),
            Self::Malformed(violations) | Self::Inconsistent(violations) => listed(violations),
            Self::UnknownPlace => "its study or site isn't configured here".into(),
            Self::UnknownInstrument => "its instrument isn't known here in that version".into(),
            Self::BaseAbsent => "the submission that it amends never came".into(),
            Self::Refused(error) => error.to_string(),
            Self::Quarantined => "started 3 times since it first failed, and never finished".into(),
            Self::Panicked => "a stage panicked".into(),
            Self::UnknownModel => "its study's risk model isn't configured here".into(),
            Self::NoQuestion => "no such question is stored".into(),
            Self::NotScored { rule } => rule.clone(),
            Self::SetAsideByBroker { reason } if reason.is_empty() => "no queue was bound for it".into(),
            Self::SetAsideByBroker { reason } => format!("the broker gave up on it: {reason}"),
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::UnknownKey { .. } => Self::UnknownKey,
            OpenError::Tampered => Self::Unopenable,
            OpenError::Malformed => Self::NotSealed,
        }
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Closed(error) => error.into(),
            ReadError::Foreign => Self::Foreign,
        }
    }
}

fn listed(violations: &[Violation]) -> String {
    let lines = violations.iter().map(|violation| format!("{} {}", violation.pointer, violation.rule));
    lines.collect::<Vec<_>>().join("; ")
}
