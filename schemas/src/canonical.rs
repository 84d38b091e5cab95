//! What makes two submissions the same.

use crate::instrument::Resolved;
use crate::submission::Submission;

/// The version of the algorithm; stored beside every hash.
pub const VERSION: i16 = 1;

/// SHA-256 over what a submission says: subject, study, site, instrument, time
/// of answering, answers as resolved, amendment and reason. The door, the
/// order of keys, the spelling of codes and numbers, `sent_at` and stated
/// totals don't enter.
#[must_use]
pub fn content_hash(_subject: &str, _submission: &Submission, _resolved: &Resolved) -> [u8; 32] {
    unimplemented!()
}
