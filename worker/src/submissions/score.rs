//! Structured answers -> a row for the research tables, scored by the instrument and version it names.

use epro_schemas::instrument::{Instrument, Score, Signal};
use epro_store::submissions::ResearchRow;
use serde_json::Error;

use super::clean::Cleaned;
use super::json;
use super::structure::Structured;

/// What a score takes, mostly.
const BYTES: usize = 96;

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
            scores: written(&scores),
            checks: serde_json::to_string(&findings)?,
            profile: deidentified.profile.as_str(),
        },
        signals: instrument.signals(&cleaned.resolved),
    })
}

/// Scores as they are stored.
pub(super) fn written(scores: &[Score]) -> String {
    json::array(scores, BYTES, |out, score| {
        let Score { id, code, value, band, missing } = *score;
        out.push_str("{\"id\":");
        out.push_str(id.json());
        out.push_str(",\"code\":");
        json::name(out, code);
        out.push_str(",\"value\":");
        match value {
            Some(value) => json::number(out, value),
            None => out.push_str("null"),
        }
        out.push_str(",\"band\":");
        json::name(out, band);
        out.push_str(",\"missing\":");
        json::count(out, missing);
        out.push('}');
    })
}
