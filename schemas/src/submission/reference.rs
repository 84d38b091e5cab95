//! Which instrument, in which version.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An instrument in one version, written `phq-9|1.0`: each part 1 to 64
/// characters of `A-Z a-z 0-9 . _ -`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InstrumentRef {
    id: String,
    version: String,
}

/// Text that names no instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must name an instrument and its version, like phq-9|1.0")]
pub struct NotAReference;

impl InstrumentRef {
    /// From its parts.
    ///
    /// # Errors
    /// [`NotAReference`] if a part has another form.
    pub fn new(id: &str, version: &str) -> Result<Self, NotAReference> {
        if is_name(id) && is_name(version) {
            Ok(Self { id: id.to_owned(), version: version.to_owned() })
        } else {
            Err(NotAReference)
        }
    }

    /// The instrument.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its version; an opaque word, compared as it stands.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }
}

/// Whether a text has the form of a study, a site or part of a reference.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=super::MAX_NAME).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

impl FromStr for InstrumentRef {
    type Err = NotAReference;

    fn from_str(text: &str) -> Result<Self, NotAReference> {
        let (id, version) = text.split_once('|').ok_or(NotAReference)?;
        Self::new(id, version)
    }
}

impl TryFrom<String> for InstrumentRef {
    type Error = NotAReference;

    fn try_from(text: String) -> Result<Self, NotAReference> {
        text.parse()
    }
}

impl From<InstrumentRef> for String {
    fn from(reference: InstrumentRef) -> Self {
        reference.to_string()
    }
}

impl fmt::Display for InstrumentRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}|{}", self.id, self.version)
    }
}

impl fmt::Debug for InstrumentRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
