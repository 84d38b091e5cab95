//! Values of search parameters, after <http://hl7.org/fhir/R4/search.html#escaping>.

/// A token that means this value of this system and no other: whatever delimits or escapes in a search is escaped in
/// both. In a form or a URL it is percent-encoded after that.
pub(super) fn token(system: &str, value: &str) -> String {
    let mut token = String::with_capacity(system.len() + 1 + value.len());
    escape(system, &mut token);
    token.push('|');
    escape(value, &mut token);
    token
}

/// `,` is an alternative, `|` ends a system, `$` a part of a composite, and `\` takes from these their meaning.
fn escape(text: &str, into: &mut String) {
    for character in text.chars() {
        if matches!(character, '\\' | ',' | '|' | '$') {
            into.push('\\');
        }
        into.push(character);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_delimits_in_a_search_stands_escaped_in_a_token_and_all_else_as_it_is() {
        for (value, escaped) in [
            ("P-0001", "P-0001"),
            ("nobody,http://his.example/mrn|4711", r"nobody\,http://his.example/mrn\|4711"),
            (r"\,|$", r"\\\,\|\$"),
            (r"ends with \", r"ends with \\"),
            ("Łzy & 100% = ; + 😢", "Łzy & 100% = ; + 😢"),
        ] {
            assert_eq!(token("urn:epro:study:ONC-301", value), format!("urn:epro:study:ONC-301|{escaped}"));
        }
        assert_eq!(token("urn:a,b|c$d\\e", "f"), r"urn:a\,b\|c\$d\\e|f");
    }
}
