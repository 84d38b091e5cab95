//! Structured answers -> a row for the research tables, scored by the instrument and version it names.

use epro_schemas::instrument::{Instrument, Signal};
use epro_store::submissions::ResearchRow;
use serde_json::Error;

use super::clean::Cleaned;
use super::structure::Structured;

/// A submission at its last stage: all that research may see, and what it signals.
///
/// None of its fields can hold a patient's identifier: the row has no room for a `Phi`.
pub(super) struct Scored {
    pub research: ResearchRow,
    pub signals: Vec<Signal>,
}

/// Scores, checks and alert rules.
pub(super) fn score(
    structured: Structured,
    cleaned: &Cleaned<'_>,
    instrument: &Instrument,
) -> Result<Scored, Error> {
    let scores = instrument.score(&cleaned.resolved);
    let findings = instrument.findings(&cleaned.submission, &cleaned.resolved, &scores);
    let deidentified = structured.deidentified;
    Ok(Scored {
        research: ResearchRow {
            answered_at: deidentified.answered_at,
            answered_year: deidentified.answered_year,
            answers: structured.answers,
            scores: serde_json::to_string(&scores)?,
            checks: serde_json::to_string(&findings)?,
            profile: deidentified.profile.as_str(),
        },
        signals: instrument.signals(&cleaned.resolved),
    })
}
