//! What was answered, before an instrument says what it means.

use std::fmt;

use crate::phi::Phi;

/// One answer, as sent.
#[derive(Clone, PartialEq)]
pub enum Answer {
    /// `null`: the item was shown and skipped. Means the same as leaving it out.
    Unanswered,
    /// A number that is whole, however it was spelled: `2`, `2.0`, `20e-1`.
    Integer(i64),
    /// Any other number.
    Decimal(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// A bare string: a code if the item is coded, otherwise text.
    Text(Phi<String>),
    /// A code, with the system that it is from if the client knows it.
    Coding {
        /// The code system, if given.
        system: Option<Phi<String>>,
        /// The code.
        code: Phi<String>,
    },
    /// Several choices of one item. Holds no further `Many` and no `Unanswered`.
    Many(Vec<Answer>),
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[phi]")
    }
}

/// The answers by linkId, in the order in which they were sent.
#[derive(Clone, Default, PartialEq)]
pub struct Answers(Vec<(String, Answer)>);

impl Answers {
    /// The answer under a linkId.
    #[must_use]
    pub fn get(&self, link_id: &str) -> Option<&Answer> {
        self.0.iter().find(|(id, _)| id == link_id).map(|(_, answer)| answer)
    }

    /// LinkIds and answers in the order in which they were sent.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Answer)> {
        self.0.iter().map(|(id, answer)| (id.as_str(), answer))
    }

    /// How many there are, unanswered ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// For doors that don't parse the native form. A linkId that comes twice is
/// kept twice, and refused when the answers are resolved.
impl FromIterator<(String, Answer)> for Answers {
    fn from_iter<I: IntoIterator<Item = (String, Answer)>>(answers: I) -> Self {
        Self(answers.into_iter().collect())
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answers({})", self.0.len())
    }
}
