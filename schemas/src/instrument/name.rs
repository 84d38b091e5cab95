//! Words of instrument files.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A word that an instrument file contains: a linkId, a code, the id of a
/// score. Costs nothing to copy, and is safe to print, as no patient ever
/// wrote one.
///
/// A word is kept once, until the process ends. So only instrument files may
/// make one, which are read once: nothing that comes over a wire.
#[derive(Clone, Copy)]
pub struct Name(&'static Word);

struct Word {
    text: Box<str>,
    json: Box<str>,
}

/// Every word there is.
static WORDS: Mutex<BTreeMap<&'static str, &'static Word>> = Mutex::new(BTreeMap::new());

impl Name {
    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        &self.0.text
    }

    /// The word as JSON: in quotes, with what has to be escaped escaped.
    #[must_use]
    pub fn json(&self) -> &'static str {
        &self.0.json
    }
}

impl From<&str> for Name {
    fn from(word: &str) -> Self {
        let mut words = WORDS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = words.get(word).copied() {
            return Self(known);
        }
        let json = serde_json::Value::from(word).to_string();
        let new: &'static Word = Box::leak(Box::new(Word { text: word.into(), json: json.into() }));
        words.insert(&new.text, new);
        Self(new)
    }
}

impl std::ops::Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

/// As each word is kept once, its place tells it.
impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Eq for Name {}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

/// As its text, by which a map is asked for it.
impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|word| Self::from(word.as_str()))
    }
}
