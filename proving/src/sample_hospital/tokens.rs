//! Token parameters of searches: alternatives and escapes, after <http://hl7.org/fhir/R4/search.html#token> and
//! `#escaping`.

/// One alternative: `system|value`, or a value of whatever system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    system: Option<String>,
    value: String,
}

/// What a patient is called somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identifier {
    pub system: String,
    pub value: String,
}

impl Token {
    /// Whether it is that one's. An empty system is none.
    pub(super) fn means(&self, identifier: &Identifier) -> bool {
        self.value == identifier.value
            && self.system.as_ref().is_none_or(|system| *system == identifier.system)
    }

    /// Somebody whom a study of ours calls so.
    pub(super) fn of_a_study(&self) -> Option<Identifier> {
        let system = self.system.clone().filter(|system| system.starts_with("urn:epro:study:"))?;
        Some(Identifier { system, value: self.value.clone() })
    }
}

/// All alternatives; `None` where something delimits or escapes that has no meaning in a token.
pub(super) fn read(text: &str) -> Option<Vec<Token>> {
    let (mut tokens, mut system, mut part) = (Vec::new(), None, String::new());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => part.push(characters.next().filter(|escaped| r"\,|$".contains(*escaped))?),
            ',' => tokens.push(token(system.take(), std::mem::take(&mut part))?),
            '|' if system.is_none() => system = Some(std::mem::take(&mut part)),
            // A second system, or the part of a composite.
            '|' | '$' => return None,
            other => part.push(other),
        }
    }
    tokens.push(token(system, part)?);
    Some(tokens)
}

/// A system alone asks for everybody, which nobody may here.
fn token(system: Option<String>, value: String) -> Option<Token> {
    (!value.is_empty()).then_some(Token { system, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<Vec<(Option<String>, String)>> {
        Some(read(text)?.into_iter().map(|token| (token.system, token.value)).collect())
    }

    fn of(system: &str, value: &str) -> (Option<String>, String) {
        (Some(system.to_owned()), value.to_owned())
    }

    #[test]
    fn a_comma_is_or_and_what_is_escaped_is_itself() {
        assert_eq!(found("urn:s|P-1"), Some(vec![of("urn:s", "P-1")]));
        assert_eq!(found("urn:s|P-1,urn:t|4711"), Some(vec![of("urn:s", "P-1"), of("urn:t", "4711")]));
        assert_eq!(found("urn:s|P-1,4711"), Some(vec![of("urn:s", "P-1"), (None, "4711".to_owned())]));
        assert_eq!(found(r"urn:s|P-1\,urn:t\|4711"), Some(vec![of("urn:s", "P-1,urn:t|4711")]));
        assert_eq!(found(r"urn:s|\\\,\|\$"), Some(vec![of("urn:s", r"\,|$")]));
    }

    #[test]
    fn what_has_no_meaning_in_a_token_is_not_understood() {
        for text in ["", "urn:s|", "urn:s|P-1,", ",P-1", "urn:s|a|b", "urn:s|a$b", r"urn:s|a\b", r"urn:s|a\"]
        {
            assert_eq!(found(text), None, "{text}");
        }
    }

    #[test]
    fn a_token_means_one_value_of_its_system_or_of_any() {
        let patient = Identifier { system: "urn:t".to_owned(), value: "4711".to_owned() };
        let means = |text: &str| read(text).unwrap().iter().any(|token| token.means(&patient));
        assert!(means("urn:t|4711") && means("4711") && means("urn:s|P-1,urn:t|4711"));
        assert!(!means("urn:s|4711") && !means("urn:t|471") && !means("|4711"));
    }
}
