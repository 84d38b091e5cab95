//! Received bytes -> a checked submission: every answer resolved through the instrument that it names.

use epro_schemas::envelope::Envelope;
use epro_schemas::instrument::{Instrument, Instruments, Resolved};
use epro_schemas::submission::Submission;
use epro_schemas::violation::Violation;

use super::places::Places;
use crate::failure::Failure;

/// A submission that keeps the rules of the wire and of its instrument. Still identified.
pub(super) struct Cleaned<'a> {
    pub submission: Submission,
    pub resolved: Resolved,
    pub instrument: &'a Instrument,
}

/// Parses the bytes as the patient's device sent them.
pub(super) fn parse(envelope: &Envelope) -> Result<Submission, Failure> {
    let submission = envelope.submission().map_err(Failure::Malformed)?;
    match &submission.subject_id {
        // The door never lets this through. Whoever put it here, it must not be stored as anybody's.
        Some(named) if *named != envelope.subject_id => Err(Failure::Inconsistent(vec![Violation::new(
            "/subject_id",
            "must be the patient of the envelope",
        )])),
        _ => Ok(submission),
    }
}

/// Resolves the answers. What isn't configured here may be on its way (a newer worker knows it).
pub(super) fn clean<'a>(
    submission: Submission,
    instruments: &'a Instruments,
    places: &Places,
) -> Result<Cleaned<'a>, Failure> {
    if !places.know(&submission.study_id, &submission.site_id) {
        return Err(Failure::UnknownPlace);
    }
    let instrument = instruments.get(&submission.instrument).ok_or(Failure::UnknownInstrument)?;
    let resolved = instrument.resolve(&submission).map_err(Failure::Inconsistent)?;
    Ok(Cleaned { submission, resolved, instrument })
}
