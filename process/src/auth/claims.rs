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
    /// `None`: the token has no such claim, which isn't one that names none.
    #[serde(default, deserialize_with = "there")]
    pub(super) study: Option<Names>,
    #[serde(default, deserialize_with = "there")]
    pub(super) site: Option<Names>,
    pub(super) client: Option<String>,
    pub(super) azp: Option<String>,
}

fn there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Names>, D::Error> {
    Names::deserialize(deserializer).map(Some)
}

/// A text, or a list of texts.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_that_names_none_is_not_one_that_is_absent_and_null_is_neither() {
        let read = |study: &str| serde_json::from_str::<Claims>(&format!(r#"{{"sub":"a","exp":1{study}}}"#));
        let names = |study: &str| read(study).unwrap().study.map(|names| names.0);
        assert_eq!(names(""), None);
        assert_eq!(names(r#","study":[]"#), Some(Vec::new()));
        assert_eq!(names(r#","study":"A""#), Some(vec!["A".to_owned()]));
        assert_eq!(names(r#","study":["A","B"]"#), Some(vec!["A".to_owned(), "B".to_owned()]));
        assert!(read(r#","study":null"#).is_err());
    }
}
