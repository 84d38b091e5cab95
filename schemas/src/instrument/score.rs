//! What the answers add up to.

use serde::Serialize;

use super::{Instrument, Name, Resolved};

/// One score of an instrument.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    /// Its id in the instrument file.
    pub id: Name,
    /// Its LOINC code, if it has one.
    pub code: Option<Name>,
    /// The score; `None` if an item that it needs is missing.
    pub value: Option<f64>,
    /// The band that the value lies in.
    pub band: Option<Name>,
    /// How many of the items that it needs are missing.
    pub missing: usize,
}

impl Instrument {
    /// The scores, in the instrument's order. A missing item means no value:
    /// what wasn't answered is unknown, not zero.
    #[must_use]
    pub fn score(&self, _resolved: &Resolved) -> Vec<Score> {
        unimplemented!()
    }
}
