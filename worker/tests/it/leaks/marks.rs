//! Values that nobody writes by chance, and where they might turn up.

use uuid::Uuid;

/// All marks with what they stand for.
#[derive(Default)]
pub(crate) struct Marks(Vec<(String, String)>);

impl Marks {
    /// A new mark: letters and digits only, so that it is a name, a key, a claim, a code or a word.
    pub(crate) fn make(&mut self, what: &str) -> String {
        let mark = format!("quillon{}", &Uuid::new_v4().simple().to_string()[..20]);
        self.0.push((what.to_owned(), mark.clone()));
        mark
    }

    /// A value that stands for itself.
    pub(crate) fn plant(&mut self, what: &str, value: &str) {
        assert!(is_unlikely(value), "{what} may turn up by chance");
        self.0.push((what.to_owned(), value.to_owned()));
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(what, mark)| (what.as_str(), mark.as_str()))
    }
}

/// Whether nobody writes that by chance: not in an id, which is of hexadecimal digits, and not in few characters.
pub(crate) fn is_unlikely(value: &str) -> bool {
    value.chars().count() >= 8 && !value.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What was written, answered, counted or stored, as it was, by where it was.
#[derive(Default)]
pub(crate) struct Places(Vec<(String, String)>);

impl Places {
    pub(crate) fn add(&mut self, place: impl Into<String>, what: impl Into<Vec<u8>>) {
        // Whatever is a text in it stays one, and the search in texts is the standard library's own, which is fast
        // also where tests are compiled as they are.
        self.0.push((place.into(), String::from_utf8_lossy(&what.into()).into_owned()));
    }

    /// All but some.
    pub(crate) fn but_for(&self, places: &[&str]) -> Self {
        let rest = self.0.iter().filter(|(place, _)| !places.contains(&place.as_str()));
        Self(rest.cloned().collect())
    }

    /// The places that hold these words as they stand.
    pub(crate) fn with(&self, words: &str) -> Vec<&str> {
        let holding = self.0.iter().filter(|(_, text)| text.contains(words));
        holding.map(|(place, _)| place.as_str()).collect()
    }

    /// A line that says where a value was found, in which form.
    pub(crate) fn found(&self, what: &str, value: &str) -> Option<String> {
        let forms = forms(value);
        let form = |text: &str| forms.iter().find(|(_, form)| text.contains(&**form)).map(|(name, _)| *name);
        let hits = self.0.iter().filter_map(|(place, text)| Some(format!("{place} ({})", form(text)?)));
        let mut hits: Vec<String> = hits.collect();
        hits.sort();
        hits.dedup();
        (!hits.is_empty()).then(|| format!("{what}: {}", hits.join(", ")))
    }
}

/// As text in either case, in hexadecimal, as a list of bytes, in Base64 at each of its three places, and as JSON, HTML
/// and URLs escape it. A value in which nothing is to be escaped has no such form of its own.
fn forms(value: &str) -> Vec<(&'static str, String)> {
    let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
    // The end of a list is enough, and of all that is looked for the short is found fastest.
    let end = &value.as_bytes()[value.len().saturating_sub(6)..];
    let bytes = end.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    let mut forms = vec![
        ("text", value.to_owned()),
        ("upper case", value.to_ascii_uppercase()),
        ("lower case", value.to_ascii_lowercase()),
        ("hex", hex),
        ("bytes", bytes),
    ];
    for before in 0..3 {
        let mut padded = vec![0; before];
        padded.extend(value.as_bytes());
        let text = epro_proving::sample::base64(&padded);
        // The first and last characters also depend on the neighbours.
        let middle = text.trim_end_matches('=');
        forms.push(("Base64", middle[before + 1..middle.len() - 2].to_owned()));
    }
    forms.extend(json_escapes(value).map(|form| ("JSON", form)));
    forms.extend(html_escapes(value).map(|form| ("HTML", form)));
    forms.extend(url_escapes(value).map(|form| ("URL", form)));
    let mut seen = std::collections::HashSet::new();
    forms.retain(|(_, form)| seen.insert(form.clone()));
    forms
}

/// Each character as it is, or as `escape` writes it.
fn escaped(value: &str, escape: impl Fn(char) -> Option<String>) -> String {
    value.chars().map(|char| escape(char).unwrap_or_else(|| char.to_string())).collect()
}

/// As a string within JSON: with what must be escaped, and with all that isn't ASCII.
fn json_escapes(value: &str) -> [String; 3] {
    let must = |char: char| ['"', '\\'].contains(&char).then(|| format!("\\{char}"));
    let units = |char: char| (!char.is_ascii()).then(|| char.encode_utf16(&mut [0; 2]).to_vec());
    let lower = |units: Vec<u16>| units.iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
    let upper = |units: Vec<u16>| units.iter().map(|unit| format!("\\u{unit:04X}")).collect::<String>();
    [
        escaped(value, must),
        escaped(value, |char| must(char).or_else(|| units(char).map(lower))),
        escaped(value, |char| must(char).or_else(|| units(char).map(upper))),
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

/// As a part of a URL: all but the unreserved with either digits, as a form sends it, and no more than a path needs.
fn url_escapes(value: &str) -> [String; 4] {
    let upper = |char: char| char.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let lower = |char: char| char.to_string().bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    let keeps = |char: char, marks: &str| char.is_ascii_alphanumeric() || marks.contains(char);
    let sent = |char: char| if char == ' ' { "+".to_owned() } else { upper(char) };
    [
        escaped(value, |char| (!keeps(char, "-._~")).then(|| upper(char))),
        escaped(value, |char| (!keeps(char, "-._~")).then(|| lower(char))),
        escaped(value, |char| (!keeps(char, "*-._")).then(|| sent(char))),
        escaped(value, |char| (!char.is_ascii() || " \"<>".contains(char)).then(|| upper(char))),
    ]
}

#[test]
fn a_mark_is_found_in_every_form() {
    let mut marks = Marks::default();
    let mark = marks.make("x");
    let hex: String = mark.bytes().map(|byte| format!("{byte:02x}")).collect();
    let bytes = format!("{:?}", mark.as_bytes());
    let mut forms = vec![format!("a {mark} b"), mark.to_uppercase(), hex, bytes];
    forms.extend(
        (0..3).map(|n| epro_proving::sample::base64(format!("{}{mark}yz", "x".repeat(n)).as_bytes())),
    );
    for form in forms {
        let mut places = Places::default();
        places.add("here", form.clone());
        assert!(places.found("x", &mark).is_some(), "{form}");
    }
    assert_eq!(Places::default().found("x", &mark), None);
}

#[test]
fn a_value_with_signs_and_accents_is_found_however_it_is_escaped() {
    let value = "Márta's <\"Q\"> & co/x";
    for form in [
        r#"Márta's <\"Q\"> & co/x"#,
        r#"M\u00e1rta's <\"Q\"> & co/x"#,
        r#"M\u00E1rta's <\"Q\"> & co/x"#,
        "Márta&#39;s &lt;&quot;Q&quot;&gt; &amp; co/x",
        "Márta&#x27;s &lt;&quot;Q&quot;&gt; &amp; co/x",
        "Márta&#39;s &#60;&#34;Q&#34;&#62; &#38; co/x",
        "Márta&#x27;s &#x3c;&#x22;Q&#x22;&#x3e; &#x26; co/x",
        "M&#225;rta&#39;s &#60;&#34;Q&#34;&#62; &#38; co/x",
        "M&#xe1;rta&#x27;s &#x3c;&#x22;Q&#x22;&#x3e; &#x26; co/x",
        "M%C3%A1rta%27s%20%3C%22Q%22%3E%20%26%20co%2Fx",
        "M%c3%a1rta%27s%20%3c%22Q%22%3e%20%26%20co%2fx",
        "M%C3%A1rta%27s+%3C%22Q%22%3E+%26+co%2Fx",
        "M%C3%A1rta's%20%3C%22Q%22%3E%20&%20co/x",
        "márta's <\"q\"> & co/x",
    ] {
        let mut places = Places::default();
        places.add("here", format!("before {form} behind"));
        assert!(places.found("x", value).is_some(), "{form}");
    }
}

#[test]
fn what_an_id_or_a_few_characters_may_hold_by_chance_is_no_mark() {
    let mut marks = Marks::default();
    assert!(is_unlikely(&marks.make("x")) && is_unlikely("078-05-1120"));
    for likely in ["8025550147", "DE89370400440532013000", "face", "M. Q."] {
        assert!(!is_unlikely(likely), "{likely}");
    }
}
