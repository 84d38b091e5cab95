//! Answers that somebody has to hear about.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Instrument, Name, Resolved};

/// How much an alert matters. It says nothing about whether an event is
/// *serious* in the sense of the regulations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Notice,
    /// Somebody should look at it today.
    Warning,
    /// Somebody must look at it now.
    Critical,
}

/// Text that is no severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be notice, warning or critical")]
pub struct NotASeverity;

/// An alert rule that a submission meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Id of the rule in the instrument file.
    pub rule: Name,
    /// How much it matters.
    pub severity: Severity,
}

impl Severity {
    /// As it is written in messages and rows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Severity {
    type Err = NotASeverity;

    fn from_str(text: &str) -> Result<Self, NotASeverity> {
        [Self::Notice, Self::Warning, Self::Critical]
            .into_iter()
            .find(|severity| severity.as_str() == text)
            .ok_or(NotASeverity)
    }
}

impl Instrument {
    /// The alert rules that these answers meet, in the instrument's order.
    /// What wasn't answered meets no rule.
    #[must_use]
    pub fn signals(&self, _resolved: &Resolved) -> Vec<Signal> {
        unimplemented!()
    }
}
