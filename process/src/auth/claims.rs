//! What a token says.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

/// The claims that we read. `iss`, `aud`, `exp` and `nbf` were checked before.
#[derive(Deserialize)]
pub(super) struct Claims {
    pub(super) sub: String,
    /// Unix seconds; some issuers write a fraction.
    pub(super) exp: f64,
    #[serde(default)]
    pub(super) scope: String,
    #[serde(default)]
    pub(super) study: Names,
    #[serde(default)]
    pub(super) site: Names,
    pub(super) client: Option<String>,
    pub(super) azp: Option<String>,
}

/// A text, or a list of texts.
#[derive(Default)]
pub(super) struct Names(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMore;
        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Names;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Names, E> {
                Ok(Names(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = items.next_element()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        deserializer.deserialize_any(OneOrMore)
    }
}
