//! A delivery's rows -> the document that goes to the hospital.

use epro_process::traces;
use epro_schemas::alert::delivery_id;
use epro_schemas::envelope::Envelope;
use epro_schemas::instrument::{Instrument, Resolved, Score};
use epro_schemas::kind;
use epro_schemas::phi::Phi;
use epro_schemas::submission::Submission;
use epro_store::deliveries::Due;
use uuid::Uuid;

use super::document::Document;
use crate::failure::Failure;
use crate::submissions::route::Route;

/// A submission, opened and understood once more.
pub(crate) struct Loaded<'a> {
    subject: Phi<String>,
    submission: Submission,
    resolved: Resolved,
    instrument: &'a Instrument,
    scores: Vec<Score>,
    trace_id: Option<String>,
}

impl<'a> Loaded<'a> {
    /// Opens what was stored.
    pub(crate) fn of(due: &Due, route: &'a Route) -> Result<Self, Failure> {
        let bytes = route.keys.seal.open(kind::SUBMISSION, due.message_id, &due.sealed)?;
        let envelope = Envelope::decode(bytes.into()).map_err(|_| Failure::NoEnvelope)?;
        let submission = envelope.submission().map_err(Failure::Malformed)?;
        let instrument = route.instruments.get(&submission.instrument).ok_or(Failure::UnknownInstrument)?;
        let resolved = instrument.resolve(&submission).map_err(Failure::Inconsistent)?;
        let scores = instrument.score(&resolved);
        let (subject, trace_id) = (envelope.subject_id, envelope.trace_id);
        Ok(Self { subject, submission, resolved, instrument, scores, trace_id })
    }

    /// What goes to the hospital.
    pub(crate) fn document(&self, due: &Due, pseudonym: Uuid, traceparent: Option<String>) -> Document<'_> {
        let id = |submission| delivery_id(&due.study_id, pseudonym, submission);
        Document {
            id: id(self.submission.submission_id),
            root: id(due.root),
            correction: due.correction,
            subject: self.subject.clone(),
            submission: &self.submission,
            resolved: &self.resolved,
            instrument: self.instrument,
            scores: &self.scores,
            received_at: due.received_at,
            generation: due.generation,
            traceparent: traceparent.or_else(|| traces::continued(self.trace_id.as_deref()?)),
        }
    }
}
