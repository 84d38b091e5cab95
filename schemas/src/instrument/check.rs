//! What the answers of a submission mean in its instrument, and what is odd about them.

use std::fmt;

use serde::Serialize;

mod resolve;

use super::definition::{Check, CheckKind};
use super::{Instrument, Name, Score};
use crate::phi::Phi;
use crate::submission::{Answer, Submission};

/// The answers of a submission, understood: known items only, each with a
/// value from its own list or range, in the instrument's order.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// The answered items; an unanswered one isn't there.
    pub items: Vec<ResolvedItem>,
}

/// One answered item.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedItem {
    /// The item.
    pub link_id: Name,
    /// Its place in the instrument.
    pub(super) place: usize,
    /// Its place in the order of linkIds.
    pub(crate) rank: usize,
    /// What was answered.
    pub value: Value,
}

/// What was answered, understood.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// An option of the item's list.
    Coded {
        /// The option's code.
        code: Name,
        /// Its score; `None` for options like "prefer not to answer".
        score: Option<f64>,
    },
    /// A whole number in the item's range.
    Integer(i64),
    /// A number in the item's range; never -0.
    Decimal(f64),
    /// Yes or no.
    Boolean(bool),
    /// The patient's own words.
    Text(Phi<String>),
    /// The chosen options of an item that allows several, in the list's order.
    Many(Vec<Value>),
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[phi]")
    }
}

impl Value {
    /// What it counts in a score.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Coded { score, .. } => *score,
            Self::Integer(whole) => Some(*whole as f64),
            Self::Decimal(decimal) => Some(*decimal),
            Self::Boolean(_) | Self::Text(_) | Self::Many(_) => None,
        }
    }
}

impl Resolved {
    /// The value of an item, if it was answered.
    #[must_use]
    pub fn get(&self, link_id: &str) -> Option<&Value> {
        self.items.iter().find(|item| item.link_id == link_id).map(|item| &item.value)
    }

    /// As [`Self::get`], by a name, which is compared without its letters.
    pub(super) fn value_of(&self, item: Name) -> Option<&Value> {
        self.items.iter().find(|answered| answered.link_id == item).map(|answered| &answered.value)
    }
}

/// Something that a reader of the data should know; it refuses nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Id of the check in the instrument file.
    pub check: Name,
    /// The item or score that it is about.
    pub about: Name,
    /// What was found.
    pub found: Found,
}

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// The total that the client states isn't ours.
    StatedDiffers,
    /// The client states a total, and we have none.
    StatedWithoutTotal,
    /// Nobody knows what the answer would have been; it is not zero.
    Unanswered,
}

impl Instrument {
    /// What a reader of the data should know, in the order of the instrument's checks.
    #[must_use]
    pub fn findings(&self, submission: &Submission, resolved: &Resolved, scores: &[Score]) -> Vec<Finding> {
        let finding = |check: &Check| {
            let (about, found) = match check.kind {
                CheckKind::Stated => {
                    let id = check.score?;
                    let ours = scores.iter().find(|score| score.id == id)?.value;
                    (id, compare(self.stated(submission, id)?, ours)?)
                }
                CheckKind::Unanswered => {
                    let id = check.item?;
                    match resolved.value_of(id) {
                        None | Some(Value::Coded { score: None, .. }) => (id, Found::Unanswered),
                        Some(_) => return None,
                    }
                }
            };
            Some(Finding { check: check.id, about, found })
        };
        self.definition.checks.iter().filter_map(finding).collect()
    }
}

impl Instrument {
    /// The total that the client states, under the score's id or as an answer under its code.
    fn stated(&self, submission: &Submission, id: Name) -> Option<f64> {
        let answered = || {
            let score = self.definition.scores.iter().find(|score| score.id == id)?;
            match submission.answers.get(&score.code?)? {
                Answer::Integer(whole) => Some(*whole as f64),
                Answer::Decimal(decimal) => Some(*decimal),
                _ => None,
            }
        };
        submission.stated.get(id.as_str()).copied().or_else(answered)
    }
}

fn compare(stated: f64, ours: Option<f64>) -> Option<Found> {
    match ours {
        None => Some(Found::StatedWithoutTotal),
        Some(ours) if (ours - stated).abs() > 1e-9 => Some(Found::StatedDiffers),
        Some(_) => None,
    }
}
