//! Answers that somebody has to hear about.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::definition::AlertRule;
use super::{Instrument, Name, Resolved, Value};

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
    pub fn signals(&self, resolved: &Resolved) -> Vec<Signal> {
        let rules = &self.definition.alerts;
        // Most rules look at an item: no score is computed for them.
        let scores =
            if rules.iter().any(|rule| rule.score.is_some()) { self.score(resolved) } else { Vec::new() };
        rules
            .iter()
            .filter(|rule| match (rule.item, rule.score) {
                (Some(item), _) => resolved.value_of(item).is_some_and(|value| met(rule, value)),
                (None, Some(id)) => {
                    let value = scores.iter().find(|score| score.id == id).and_then(|score| score.value);
                    reaches(rule, value)
                }
                (None, None) => false,
            })
            .map(|rule| Signal { rule: rule.id, severity: rule.severity })
            .collect()
    }
}

fn met(rule: &AlertRule, value: &Value) -> bool {
    match value {
        Value::Coded { code, .. } => rule.any_of.contains(code) || reaches(rule, value.number()),
        Value::Integer(_) | Value::Decimal(_) => reaches(rule, value.number()),
        Value::Boolean(yes) => rule.is == Some(*yes),
        Value::Text(_) => false,
        Value::Many(choices) => choices.iter().any(|choice| met(rule, choice)),
    }
}

fn reaches(rule: &AlertRule, value: Option<f64>) -> bool {
    matches!((rule.at_least, value), (Some(least), Some(value)) if value >= least)
}
