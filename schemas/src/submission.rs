//! What a patient's device sends.

mod answer;
pub(crate) mod parse;
mod reference;
pub(crate) mod split;

use std::collections::BTreeMap;
use std::fmt;

use time::OffsetDateTime;
use uuid::Uuid;

pub use answer::{Answer, Answers};
pub(crate) use reference::is_name;
pub use reference::{InstrumentRef, NotAReference};
pub use split::split;

use crate::phi::Phi;
use crate::violation::Violation;

/// The largest body of one submission, in bytes.
pub const MAX_BYTES: usize = 256 * 1024;
/// The most answers in one submission.
pub const MAX_ANSWERS: usize = 500;
/// The most choices in one answer.
pub const MAX_CHOICES: usize = 50;
/// The most totals that a client may state.
pub const MAX_STATED: usize = 50;
/// The longest study id or site id, in characters.
pub const MAX_NAME: usize = 64;
/// The longest subject id, in characters.
pub const MAX_SUBJECT: usize = 128;
/// The longest reason for an amendment, in characters.
pub const MAX_REASON: usize = 2_000;
/// The longest code or code system, in characters.
pub const MAX_CODE: usize = 256;
/// The longest text answer, in characters.
pub const MAX_TEXT: usize = 4_000;

/// One completed questionnaire, as sent. What its answers mean is for the
/// instrument to say: [`crate::instrument::Instrument::resolve`].
#[derive(Clone, PartialEq)]
pub struct Submission {
    /// Made on the device; names the submission for its subject in its study.
    pub submission_id: Uuid,
    /// 1 to 64 characters of `A-Z a-z 0-9 . _ -`.
    pub study_id: String,
    /// Same form as the study.
    pub site_id: String,
    /// Whose it is, if an app backend sends it; otherwise the token says so.
    pub subject_id: Option<Phi<String>>,
    /// The instrument and version that was answered.
    pub instrument: InstrumentRef,
    /// When the patient answered, in the offset of the device.
    pub answered_at: OffsetDateTime,
    /// When the device sent it; differs from one try to the next.
    pub sent_at: Option<OffsetDateTime>,
    /// At least one, at most [`MAX_ANSWERS`].
    pub answers: Answers,
    /// Totals that the client states, by id of the score. Kept and compared
    /// with ours, never used in their place.
    pub stated: BTreeMap<String, f64>,
    /// The submission that this one replaces.
    pub amends: Option<Uuid>,
    /// Why it does; present exactly if `amends` is.
    pub reason: Option<Phi<String>>,
}

impl Submission {
    /// Reads a submission in its native form.
    ///
    /// # Errors
    /// Every problem at once, by pointer and rule, without a word of the body.
    /// Only a body that isn't JSON ends at its first problem.
    pub fn parse(body: &[u8]) -> Result<Self, Vec<Violation>> {
        parse::submission(body)
    }

    /// The same without the short way for plain bodies, for tests: no body may be read as two submissions.
    ///
    /// # Errors
    /// As [`Submission::parse`].
    #[doc(hidden)]
    pub fn parse_strictly(body: &[u8]) -> Result<Self, Vec<Violation>> {
        parse::strict(body)
    }
}

impl fmt::Debug for Submission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submission").field("submission_id", &self.submission_id).finish_non_exhaustive()
    }
}
