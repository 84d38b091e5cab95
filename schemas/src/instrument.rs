//! Questionnaires: what may be answered, what it scores, and when it alerts.

pub mod alert_rule;
pub mod check;
pub mod definition;
pub mod name;
pub mod pro_ctcae;
pub mod score;

pub use alert_rule::{Severity, Signal};
pub use check::{Finding, Resolved, ResolvedItem, Value};
pub use name::Name;
pub use score::Score;

use std::collections::HashMap;

use crate::submission::InstrumentRef;

/// The instruments that a process knows.
#[derive(Debug)]
pub struct Instruments {
    by_reference: HashMap<InstrumentRef, Instrument>,
}

/// One instrument in one version, checked and ready to use.
#[derive(Debug)]
pub struct Instrument {
    reference: InstrumentRef,
}

/// Instrument files that can't be used, with everything that is wrong in them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .problems.join("\n"))]
pub struct InstrumentError {
    /// One line a problem: file, place, rule.
    pub problems: Vec<String>,
}

impl Instruments {
    /// The instruments that come with the code.
    ///
    /// # Errors
    /// [`InstrumentError`] if a shipped file is broken, which a test excludes.
    pub fn shipped() -> Result<Self, InstrumentError> {
        Self::load(&[])
    }

    /// The shipped instruments and a site's own, given as name and text of
    /// each file. A version that exists can't be given another meaning.
    ///
    /// # Errors
    /// [`InstrumentError`] with all problems of all files.
    pub fn load(_own: &[(String, String)]) -> Result<Self, InstrumentError> {
        unimplemented!()
    }

    /// The instrument that a submission names.
    #[must_use]
    pub fn get(&self, reference: &InstrumentRef) -> Option<&Instrument> {
        self.by_reference.get(reference)
    }

    /// All of them, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Instrument> {
        self.by_reference.values()
    }
}

impl Instrument {
    /// Its id and version.
    #[must_use]
    pub fn reference(&self) -> &InstrumentRef {
        &self.reference
    }
}
