//! What follows from a hospital's answer: the failure table, in one place.

use std::time::Duration;

use epro_broker::Tier;
use epro_store::dead_letters::Class;

use super::answer::{CallError, Taken};
use super::gate::Reported;

/// While nobody knows whose fault it is, a delivery is tried at least so often: when the hospital is
/// back, nothing waits for hours.
const LONGEST_UNCHARGED: Tier = Tier::M10;

/// How often, and how long, a delivery is tried at its own charge.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    pub attempts: u32,
    /// Scaled.
    pub age: Duration,
}

/// What is known beside the answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Circumstances {
    /// The hospital takes other messages: one within the breaker's window.
    pub takes_others: bool,
    /// The same, and it refused none since.
    pub refuses_few: bool,
    /// It has taken another message since this one last failed.
    pub well_since_failure: bool,
    /// A refusal may concern every message: an AR of HL7, never a 422 of HTTP.
    pub refusal_may_be_general: bool,
    /// Charged tries so far.
    pub attempts: u32,
    /// Since the delivery's row was written.
    pub age: Duration,
    /// How often its message has waited.
    pub waits: u32,
}

/// What is done about a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// The hospital has it.
    Done,
    /// It can't be delivered.
    SetAside { class: Class, charged: bool },
    /// It waits and is tried again.
    Wait { tier: Tier, charged: bool },
}

/// What follows from an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub next: Next,
    /// As it is stored and counted.
    pub outcome: &'static str,
    /// What the hospital said, redacted.
    pub note: String,
    /// What the gate learns.
    pub reported: Reported,
}

impl Verdict {
    /// The failure table.
    pub(crate) fn of(answer: Result<Taken, CallError>, known: Circumstances, budget: Budget) -> Self {
        let error = match answer {
            Ok(Taken { note }) => {
                return Self { next: Next::Done, outcome: "taken", note, reported: Reported::Well };
            }
            Err(error) => error,
        };
        let note = error.note().to_owned();
        let again = |rest| known.again(rest, budget);
        let (next, outcome, reported) = match error {
            CallError::Refused { note } if known.refusal_may_be_general && !known.is_to_blame() => {
                (again(None), "refused", Reported::Hopeless { note })
            }
            CallError::Refused { note } => {
                let class = Class::HospitalRefused;
                (Next::SetAside { class, charged: true }, "refused", Reported::Refused { note })
            }
            CallError::Denied { note } | CallError::Stale { note } => {
                (again(None), "denied", Reported::Hopeless { note })
            }
            CallError::Busy { retry_after, note } => {
                (again(retry_after), "busy", Reported::Failed { note, rest: retry_after })
            }
            CallError::Silent { note } => (again(None), "silent", Reported::Failed { note, rest: None }),
        };
        Self { next, outcome, note, reported }
    }
}

impl Circumstances {
    /// Whether a refusal is this message's: others are taken, and refusals are few.
    fn is_to_blame(self) -> bool {
        self.refuses_few || self.well_since_failure
    }

    /// It is tried again; charged if the hospital took another message within the window and since this
    /// one last failed. A hospital that takes nothing is nobody's charge, however long that lasts.
    fn again(self, rest: Option<Duration>, budget: Budget) -> Next {
        let charged = self.takes_others && self.well_since_failure;
        let attempts = self.attempts + u32::from(charged);
        let class = Class::Undeliverable;
        if (charged && attempts >= budget.attempts) || (self.well_since_failure && self.age > budget.age) {
            return Next::SetAside { class, charged };
        }
        let tier = if charged { Tier::after(attempts) } else { Tier::after(self.waits) };
        let tier = tier.max(rest.map_or(Tier::S5, Tier::at_least));
        Next::Wait { tier: if charged { tier } else { tier.min(LONGEST_UNCHARGED) }, charged }
    }
}

#[cfg(test)]
mod tests;
