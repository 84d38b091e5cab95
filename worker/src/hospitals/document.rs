//! What is brought to a hospital: one submission, understood.

use epro_schemas::instrument::{Instrument, Resolved, Score};
use epro_schemas::phi::Phi;
use epro_schemas::submission::Submission;
use time::OffsetDateTime;
use uuid::Uuid;

/// One submission on its way to a hospital.
pub(crate) struct Document<'a> {
    /// [`epro_schemas::alert::delivery_id`] of this submission: the same for every try.
    pub id: Uuid,
    /// The delivery id of the first version: `id`, unless the submission amends another.
    pub root: Uuid,
    /// The hospital has had an earlier version, or may have had it.
    pub correction: bool,
    /// Whose it is in the trial. No other identity is known to us.
    pub subject: Phi<String>,
    /// What was sent.
    pub submission: &'a Submission,
    /// What its answers mean.
    pub resolved: &'a Resolved,
    /// In the version that it names.
    pub instrument: &'a Instrument,
    /// What they add up to.
    pub scores: &'a [Score],
    /// When it was received.
    pub received_at: OffsetDateTime,
    /// Of the delivery's row; a redrive adds one.
    pub generation: i32,
    /// W3C trace context of the way that it came.
    pub traceparent: Option<String>,
}

impl Document<'_> {
    /// Whether it amends nothing.
    pub(crate) fn is_first_version(&self) -> bool {
        self.submission.amends.is_none()
    }
}

#[cfg(test)]
pub(crate) mod sample;
