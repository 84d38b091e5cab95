//! What the answers of a submission mean in its instrument.

use std::fmt;

use serde::Serialize;

use super::{Instrument, Name, Score};
use crate::phi::Phi;
use crate::submission::Submission;
use crate::violation::Violation;

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

impl Resolved {
    /// The value of an item, if it was answered.
    #[must_use]
    pub fn get(&self, link_id: &str) -> Option<&Value> {
        self.items.iter().find(|item| item.link_id == link_id).map(|item| &item.value)
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
    /// Understands the answers of a submission: by linkId; by system and code,
    /// by bare code, or by the number that stands for one option. Never by
    /// display text.
    ///
    /// # Errors
    /// Every problem at once. Items of the instrument are named, others by
    /// their place: `/answers/#2`.
    pub fn resolve(&self, _submission: &Submission) -> Result<Resolved, Vec<Violation>> {
        unimplemented!()
    }

    /// What a reader of the data should know, in the order of the instrument's checks.
    #[must_use]
    pub fn findings(
        &self,
        _submission: &Submission,
        _resolved: &Resolved,
        _scores: &[Score],
    ) -> Vec<Finding> {
        unimplemented!()
    }
}
