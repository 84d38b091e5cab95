//! Text inside fields, and the message's character set.

use epro_process::config::Charset;

/// A text with every delimiter, line end and control character escaped (HL7 v2.5.1, chapter 2, section 2.7).
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '|' => out.push_str(r"\F\"),
            '^' => out.push_str(r"\S\"),
            '&' => out.push_str(r"\T\"),
            '~' => out.push_str(r"\R\"),
            '\\' => out.push_str(r"\E\"),
            '\r' | '\n' => {
                if character == '\r' {
                    characters.next_if_eq(&'\n');
                }
                out.push_str(r"\.br\");
            }
            control if control.is_ascii_control() => {
                out.push_str(&format!(r"\X{:02X}\", u32::from(control)));
            }
            other => out.push(other),
        }
    }
    out
}

/// The bytes of a message; `None` if it holds a character that the set has not.
pub(super) fn encode(message: &str, charset: Charset) -> Option<Vec<u8>> {
    match charset {
        Charset::Utf8 => Some(message.as_bytes().to_vec()),
        // U+0080 to U+009F are control characters there, and of no use to anybody.
        Charset::Latin1 => message
            .chars()
            .map(|character| u8::try_from(character).ok().filter(|byte| !(0x80..0xa0).contains(byte)))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_line_ends_and_control_characters_are_escaped() {
        assert_eq!(escaped(r"a|b^c&d~e\f"), r"a\F\b\S\c\T\d\R\e\E\f");
        assert_eq!(escaped("one\r\ntwo\nthree\rfour"), r"one\.br\two\.br\three\.br\four");
        assert_eq!(escaped("\u{b}\u{1c}\u{0}\t"), r"\X0B\\X1C\\X00\\X09\");
        assert_eq!(escaped("Łzy – 😢"), "Łzy – 😢");
    }

    #[test]
    fn a_character_set_holds_what_it_holds() {
        assert_eq!(encode("Zähne é", Charset::Utf8).unwrap(), "Zähne é".as_bytes());
        assert_eq!(encode("Zähne é", Charset::Latin1).unwrap(), b"Z\xe4hne \xe9");
        for outside in ["Ł", "€", "😢", "\u{85}"] {
            assert_eq!(encode(outside, Charset::Latin1), None, "{outside}");
        }
    }
}
