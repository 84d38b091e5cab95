//! From bytes to a submission.

use super::Submission;
use crate::violation::Violation;

pub(super) fn submission(_body: &[u8]) -> Result<Submission, Vec<Violation>> {
    unimplemented!()
}
