//! A FHIR R4 QuestionnaireResponse as a submission.
//!
//! Elements that say nothing about the answers (text, author, encounter …) are left alone: they stay
//! in the received bytes. What could change the meaning of the rest is refused.

mod bundle;
mod element;
mod header;
mod items;
mod stored;

pub use bundle::{Bundle, BundleEntry, BundleKind};
pub use stored::items;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::envelope::Named;
use crate::json::{self, Json};
use crate::phi::Phi;
use crate::submission::{Answers, InstrumentRef, MAX_BYTES, Submission};
use crate::violation::{Violation, Violations};

/// The deepest nesting of a resource: a group costs two levels.
const MAX_DEPTH: usize = 32;

/// Extension: the study, if the token names several.
pub const STUDY: &str = "urn:epro-relay:study";
/// Extension: the site, if the token names several.
pub const SITE: &str = "urn:epro-relay:site";
/// Extension of an amended response: the identifier of, or a reference to, the one that it replaces.
pub const AMENDS: &str = "urn:epro-relay:amends";
/// Extension of an amended response: why it replaces the other.
pub const REASON: &str = "urn:epro-relay:reason";

/// A business identifier.
#[derive(Clone, Debug, PartialEq)]
pub struct Identifier {
    /// Its namespace, if given.
    pub system: Option<Phi<String>>,
    /// Its value; nobody knows what a client puts in.
    pub value: Phi<String>,
}

/// A QuestionnaireResponse, read. The door says the rest: [`Named`].
#[derive(Debug)]
pub struct Response {
    /// Names the submission.
    pub identifier: Identifier,
    /// The patient, if named.
    pub subject: Option<Phi<String>>,
    /// The study, if an extension names it.
    pub study_id: Option<String>,
    /// The site, if an extension names it.
    pub site_id: Option<String>,
    /// The response that it replaces.
    pub amends: Option<Identifier>,
    reason: Option<Phi<String>>,
    instrument: InstrumentRef,
    answered_at: OffsetDateTime,
    answers: Answers,
    /// Where each answer's item is, as FHIRPath.
    places: Vec<String>,
}

impl Identifier {
    /// The UUID that it is, bare or as `urn:uuid:`.
    #[must_use]
    pub fn uuid(&self) -> Option<Uuid> {
        let text = self.value.expose();
        let text = text.strip_prefix("urn:uuid:").unwrap_or(text);
        let uuid = Uuid::try_parse(text).ok().filter(|uuid| !uuid.is_nil() && !uuid.is_max());
        uuid.filter(|_| text.len() == 36)
    }
}

impl Response {
    /// Reads a resource.
    ///
    /// # Errors
    /// Every problem at once, by FHIRPath and rule, without a word of the body.
    pub fn parse(body: &[u8]) -> Result<Self, Vec<Violation>> {
        let whole = |rule: String| vec![Violation::new("", rule)];
        if body.len() > MAX_BYTES {
            return Err(whole(format!("must be at most {MAX_BYTES} bytes")));
        }
        let json = json::parse_within(body, MAX_DEPTH).map_err(|error| whole(error.to_string()))?;
        let Json::Object(entries) = json else {
            return Err(whole("must be a JSON object".to_owned()));
        };
        let mut problems = Violations::default();
        let read = header::response(entries, &mut problems);
        problems.or(read)
    }

    /// The submission that it is, under the names that the door found for it.
    #[must_use]
    pub fn submission(&self, named: &Named) -> Submission {
        Submission {
            submission_id: named.submission_id,
            study_id: named.study_id.clone(),
            site_id: named.site_id.clone(),
            subject_id: self.subject.clone(),
            instrument: self.instrument.clone(),
            answered_at: self.answered_at,
            sent_at: None,
            answers: self.answers.clone(),
            stated: std::collections::BTreeMap::new(),
            amends: named.amends,
            reason: self.reason.clone(),
        }
    }

    /// The same problem of the submission, where it is in the resource.
    #[must_use]
    pub fn locate(&self, violation: Violation) -> Violation {
        let Violation { pointer, rule } = violation;
        let answer = pointer.strip_prefix("/answers/");
        let place = match (pointer.as_str(), answer.and_then(|key| self.place(key))) {
            (_, Some(place)) => place,
            ("/subject_id", _) => "QuestionnaireResponse.subject",
            ("/study_id" | "/site_id" | "/amends" | "/reason", _) => "QuestionnaireResponse.extension",
            ("/instrument", _) => "QuestionnaireResponse.questionnaire",
            _ => "QuestionnaireResponse.item",
        };
        // An item that isn't there has no place; its linkId is the instrument's own word.
        match answer {
            Some(link_id) if !link_id.starts_with('#') && place == "QuestionnaireResponse.item" => {
                Violation::new(place, format!("{rule}: linkId {link_id}"))
            }
            _ => Violation::new(place, rule),
        }
    }

    /// The item behind `44250-9`, `#3` or `#3/1`.
    fn place(&self, key: &str) -> Option<&str> {
        let at = match key.strip_prefix('#') {
            Some(number) => number.split('/').next()?.parse::<usize>().ok()?.checked_sub(1)?,
            None => {
                let ids = self.answers.iter().map(|(link_id, _)| link_id).enumerate();
                ids.filter(|(_, link_id)| *link_id == key).last()?.0
            }
        };
        self.places.get(at).map(String::as_str)
    }
}
