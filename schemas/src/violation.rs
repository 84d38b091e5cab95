//! What is wrong with a submission, said without repeating any of it.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

/// The most problems that one submission is told about.
pub const MOST: usize = 100;

/// One problem of a submission: where it is, and which rule it breaks.
///
/// Neither part ever holds anything that the sender wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Violation {
    /// A JSON pointer made of keys of ours only. A key that isn't ours is named
    /// by its place in its object, counted from one: `/answers/#3`.
    pub pointer: String,
    /// The rule, as a phrase that completes "must" or says what is wrong.
    pub rule: String,
}

impl Violation {
    /// A problem at a pointer.
    pub fn new(pointer: impl Into<String>, rule: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), rule: rule.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pointer = if self.pointer.is_empty() { "the body" } else { &self.pointer };
        write!(f, "{pointer}: {}", self.rule)
    }
}

/// Collects problems up to [`MOST`], so that a hostile body can't make the
/// answer larger than itself.
#[derive(Debug, Default)]
pub(crate) struct Violations(Vec<Violation>);

impl Violations {
    pub(crate) fn add(&mut self, pointer: impl Into<String>, rule: impl Into<String>) {
        match self.0.len() {
            n if n < MOST => self.0.push(Violation::new(pointer, rule)),
            MOST => {
                self.0.push(Violation::new("", format!("more than {MOST} problems; the rest are not listed")))
            }
            _ => {}
        }
    }

    /// The value, if there was no problem.
    pub(crate) fn or<T>(self, value: Option<T>) -> Result<T, Vec<Violation>> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(self.0),
        }
    }
}
