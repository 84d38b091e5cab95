//! How a value may be written where it doesn't belong: in which case, composed how, escaped for what, as which bytes.

use std::collections::HashSet;

use unicode_normalization::UnicodeNormalization as _;

/// One way to write a value.
pub(super) struct Spelling {
    /// What it is called where it was found.
    pub(super) name: &'static str,
    pub(super) written: String,
    pub(super) kind: Kind,
}

/// How it is looked for.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// A text in lower case, for a place in lower case: that is every mixture of cases.
    Text,
    /// Digits of bytes, for a place in lower case.
    Bytes,
    /// For a place as it is: in Base64 cases differ.
    Base64,
}

/// All of them, each once. A value in which nothing is to be escaped has no such form of its own.
pub(super) fn of(value: &str) -> Vec<Spelling> {
    let mut spellings = Vec::new();
    let mut compositions: Vec<String> = vec![value.to_owned(), value.nfc().collect(), value.nfd().collect()];
    compositions.dedup();
    for composed in compositions {
        spellings.extend(bytes(&composed));
        for cased in cases(&composed) {
            let texts = texts(&cased).into_iter();
            spellings.extend(texts.map(|(name, text)| spelling(name, text.to_lowercase(), Kind::Text)));
        }
    }
    let mut seen = HashSet::new();
    spellings.retain(|spelling| seen.insert((spelling.written.clone(), spelling.kind)));
    spellings
}

fn spelling(name: &'static str, written: String, kind: Kind) -> Spelling {
    Spelling { name, written, kind }
}

/// As it is and in the cases that Unicode knows. In lower case all of these may differ: `ß` becomes `SS`, `ı` becomes
/// `I`, and `İ` two characters.
fn cases(value: &str) -> [String; 4] {
    [value.to_owned(), value.to_uppercase(), value.to_lowercase(), title(value)]
}

/// Each word with a capital.
fn title(value: &str) -> String {
    let (mut text, mut begins) = (String::new(), true);
    for char in value.chars() {
        if begins {
            let mut capital = char.to_uppercase();
            text.extend(capital.next());
            text.extend(capital.flat_map(char::to_lowercase));
        } else {
            text.extend(char.to_lowercase());
        }
        begins = char.is_whitespace() || char.is_ascii_punctuation();
    }
    text
}

/// As text, and as JSON, HTML, URLs and Rust escape it; what is escaped may be a string within JSON again.
fn texts(value: &str) -> Vec<(&'static str, String)> {
    let mut texts = vec![("text", value.to_owned())];
    texts.extend(json_escapes(value).map(|text| ("JSON", text)));
    texts.extend(rust_escapes(value).map(|text| ("Rust", text)));
    let again: Vec<_> = texts.iter().map(|(_, text)| ("JSON within JSON", escaped(text, must))).collect();
    texts.extend(again);
    texts.extend(html_escapes(value).map(|text| ("HTML", text)));
    texts.extend(url_escapes(value).map(|text| ("URL", text)));
    texts
}

/// In hexadecimal, as a list of bytes as Rust and JSON write it, and in Base64 at each of its three places.
fn bytes(value: &str) -> Vec<Spelling> {
    let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
    // The end of a list is enough, and of all that is looked for the short is found fastest.
    let end = &value.as_bytes()[value.len().saturating_sub(6)..];
    let end: Vec<String> = end.iter().map(u8::to_string).collect();
    let mut spellings = vec![
        spelling("hex", hex, Kind::Bytes),
        spelling("bytes", end.join(", "), Kind::Bytes),
        spelling("bytes", end.join(","), Kind::Bytes),
    ];
    for before in 0..3 {
        let mut padded = vec![0; before];
        padded.extend(value.as_bytes());
        let text = epro_proving::sample::base64(&padded);
        // The first and last characters also depend on the neighbours.
        let middle = text.trim_end_matches('=');
        spellings.push(spelling("Base64", middle[before + 1..middle.len() - 2].to_owned(), Kind::Base64));
    }
    spellings
}

/// Each character as it is, or as `escape` writes it.
fn escaped(value: &str, escape: impl Fn(char) -> Option<String>) -> String {
    value.chars().map(|char| escape(char).unwrap_or_else(|| char.to_string())).collect()
}

/// What ends a string, or escapes in it.
fn must(char: char) -> Option<String> {
    ['"', '\\'].contains(&char).then(|| format!("\\{char}"))
}

/// As a string within JSON: with what must be escaped, and with all that isn't ASCII.
fn json_escapes(value: &str) -> [String; 2] {
    let units = |char: char| (!char.is_ascii()).then(|| char.encode_utf16(&mut [0; 2]).to_vec());
    let digits = |units: Vec<u16>| units.iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
    [escaped(value, must), escaped(value, |char| must(char).or_else(|| units(char).map(digits)))]
}

/// As Rust writes bytes (`b"\xc3\xa4"`) and characters (`"\u{e4}"`), with the single quote escaped or not.
fn rust_escapes(value: &str) -> [String; 4] {
    let quote = |char: char| (char == '\'').then(|| "\\'".to_owned());
    let bytes = |char: char| {
        let hex = |byte: u8| format!("\\x{byte:02x}");
        (!char.is_ascii()).then(|| char.to_string().bytes().map(hex).collect::<String>())
    };
    let point = |char: char| (!char.is_ascii()).then(|| format!("\\u{{{:x}}}", u32::from(char)));
    [
        escaped(value, |char| must(char).or_else(|| bytes(char))),
        escaped(value, |char| must(char).or_else(|| quote(char)).or_else(|| bytes(char))),
        escaped(value, |char| must(char).or_else(|| point(char))),
        escaped(value, |char| must(char).or_else(|| quote(char)).or_else(|| point(char))),
    ]
}

/// As text or an attribute within HTML, by name or by number.
fn html_escapes(value: &str) -> [String; 6] {
    let is_special = |char: char| ['&', '<', '>', '"', '\''].contains(&char);
    let decimal = |char: char| format!("&#{};", u32::from(char));
    let hexadecimal = |char: char| format!("&#x{:x};", u32::from(char));
    let named = |char: char, quote: &str| match char {
        '&' => Some("&amp;".to_owned()),
        '<' => Some("&lt;".to_owned()),
        '>' => Some("&gt;".to_owned()),
        '"' => Some("&quot;".to_owned()),
        '\'' => Some(quote.to_owned()),
        _ => None,
    };
    [
        escaped(value, |char| named(char, "&#39;")),
        escaped(value, |char| named(char, "&#x27;")),
        escaped(value, |char| is_special(char).then(|| decimal(char))),
        escaped(value, |char| is_special(char).then(|| hexadecimal(char))),
        escaped(value, |char| (is_special(char) || !char.is_ascii()).then(|| decimal(char))),
        escaped(value, |char| (is_special(char) || !char.is_ascii()).then(|| hexadecimal(char))),
    ]
}

/// As a part of a URL: all but the unreserved, as a form sends it, and no more than a path needs.
fn url_escapes(value: &str) -> [String; 3] {
    let byte = |char: char| char.to_string().bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    let keeps = |char: char, marks: &str| char.is_ascii_alphanumeric() || marks.contains(char);
    let sent = |char: char| if char == ' ' { "+".to_owned() } else { byte(char) };
    [
        escaped(value, |char| (!keeps(char, "-._~")).then(|| byte(char))),
        escaped(value, |char| (!keeps(char, "*-._")).then(|| sent(char))),
        escaped(value, |char| (!char.is_ascii() || " \"<>".contains(char)).then(|| byte(char))),
    ]
}
