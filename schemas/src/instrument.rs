//! Questionnaires: what may be answered, what it scores, and when it alerts.

pub mod alert_rule;
pub mod check;
pub mod definition;
pub mod name;
mod places;
pub mod pro_ctcae;
pub mod score;

pub use alert_rule::{Severity, Signal};
pub use check::{Finding, Resolved, ResolvedItem, Value};
pub use name::Name;
pub use score::Score;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use crate::submission::InstrumentRef;
use definition::Definition;
use places::Places;

/// The files that come with the code.
const SHIPPED: [(&str, &str); 4] = [
    ("gad-7.yaml", include_str!("../instruments/gad-7.yaml")),
    ("nrs-pain.yaml", include_str!("../instruments/nrs-pain.yaml")),
    ("phq-9.yaml", include_str!("../instruments/phq-9.yaml")),
    ("pro-ctcae-core.yaml", include_str!("../instruments/pro-ctcae-core.yaml")),
];

/// The instruments that a process knows.
#[derive(Debug)]
pub struct Instruments {
    by_reference: HashMap<InstrumentRef, Instrument>,
}

/// One instrument in one version, checked and ready to use.
#[derive(Debug)]
pub struct Instrument {
    reference: InstrumentRef,
    name: Arc<str>,
    definition: Definition,
    places: Places,
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
    pub fn load(own: &[(String, String)]) -> Result<Self, InstrumentError> {
        let mut by_reference = HashMap::new();
        let mut problems = Vec::new();
        let own = own.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        for (name, text) in SHIPPED.into_iter().chain(own) {
            match Instrument::read(text) {
                Ok(instrument) => match by_reference.entry(instrument.reference.clone()) {
                    Entry::Vacant(free) => {
                        free.insert(instrument);
                    }
                    Entry::Occupied(taken) => {
                        problems.push(format!("{name}: {} is already defined by another file", taken.key()));
                    }
                },
                Err(found) => problems.extend(found.into_iter().map(|problem| format!("{name}: {problem}"))),
            }
        }
        if problems.is_empty() { Ok(Self { by_reference }) } else { Err(InstrumentError { problems }) }
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
    /// Reads one instrument file.
    ///
    /// # Errors
    /// All problems of the file, one line each.
    pub fn read(text: &str) -> Result<Self, Vec<String>> {
        let definition = Definition::read(text)?;
        let reference = InstrumentRef::new(&definition.id, &definition.version)
            .map_err(|error| vec![format!("id, version: {error}")])?;
        let (name, places) = (reference.to_string().into(), Places::of(&definition));
        Ok(Self { reference, name, definition, places })
    }

    /// Its id and version.
    #[must_use]
    pub fn reference(&self) -> &InstrumentRef {
        &self.reference
    }

    /// `id|version`, as rows and messages have it.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// All that its file says.
    #[must_use]
    pub fn definition(&self) -> &Definition {
        &self.definition
    }
}
