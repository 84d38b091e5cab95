//! Received bytes -> a checked submission: every answer resolved through the instrument that it names.

use epro_schemas::envelope::Envelope;
use epro_schemas::instrument::{Instrument, Resolved};
use epro_schemas::submission::Submission;
use epro_schemas::violation::Violation;

use super::places::{Site, Study};
use crate::failure::Failure;

/// A submission that keeps the rules of the wire and of its instrument. Still identified.
pub(super) struct Cleaned<'a> {
    pub submission: Submission,
    pub resolved: Resolved,
    pub instrument: &'a Instrument,
    pub study: &'a Study,
    pub site: &'a Site,
}

/// What is configured here of what a submission names.
pub(crate) struct Named<'a> {
    pub instrument: Option<&'a Instrument>,
    pub study: Option<&'a Study>,
    pub site: Option<&'a Site>,
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
pub(super) fn clean(submission: Submission, named: Named<'_>) -> Result<Cleaned<'_>, Failure> {
    let (study, site) = named.study.zip(named.site).ok_or(Failure::UnknownPlace)?;
    let instrument = named.instrument.ok_or(Failure::UnknownInstrument)?;
    let resolved = instrument.resolve(&submission).map_err(Failure::Inconsistent)?;
    Ok(Cleaned { submission, resolved, instrument, study, site })
}
