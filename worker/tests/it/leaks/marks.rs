//! Values that nobody writes by chance, and where they might turn up.

use uuid::Uuid;

use super::spellings::{self, Kind, Spelling};

/// A value of fewer characters is no mark.
const LEAST: usize = 8;

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
        assert!(value.chars().count() >= LEAST, "{what} may turn up by chance");
        self.0.push((what.to_owned(), value.to_owned()));
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(what, mark)| (what.as_str(), mark.as_str()))
    }
}

/// Whether nobody writes that by chance, in whatever else: ids and times hold any few of their digits in a row, and ids
/// the letters from a to f. All else is searched for as a word of its own.
pub(crate) fn is_unlikely(value: &str) -> bool {
    let count = |is: fn(&char) -> bool| value.chars().filter(is).count();
    let letters = count(|char| char.is_alphabetic() && !char.is_ascii_hexdigit());
    let digits = count(char::is_ascii_digit);
    let separators = count(|char| !char.is_alphanumeric());
    let in_a_row = value.split(|char: char| !char.is_ascii_digit()).map(str::len).max();
    let by_digits = in_a_row.is_some_and(|most| most >= 10) || (digits >= 8 && separators >= 2);
    value.chars().count() >= LEAST && (letters > 0 || by_digits)
}

/// What was written, answered, counted or stored, by where it was.
#[derive(Default)]
pub(crate) struct Places(Vec<Place>);

#[derive(Clone)]
struct Place {
    name: String,
    /// As it was.
    text: String,
    lower: String,
}

impl Place {
    fn holds(&self, spelling: &Spelling, bare: bool) -> bool {
        let wanted = spelling.written.as_str();
        match spelling.kind {
            Kind::Base64 => self.text.contains(wanted),
            Kind::Bytes => self.lower.contains(wanted),
            Kind::Text => self.lower.contains(wanted) && (bare || has_word(&self.lower, wanted)),
        }
    }
}

/// Whether it stands there with nothing beside it that goes on with an id or a number.
fn has_word(text: &str, word: &str) -> bool {
    let goes_on = |char: char| char.is_alphanumeric() || "-_".contains(char);
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let behind = text[at + word.len()..].chars().next();
        !before.is_some_and(|char| goes_on(char) || char == '.') && !behind.is_some_and(goes_on)
    })
}

impl Places {
    pub(crate) fn add(&mut self, place: impl Into<String>, what: impl Into<Vec<u8>>) {
        // Whatever is a text in it stays one, and the search in texts is the standard library's own, which is fast
        // also where tests are compiled as they are.
        let text = String::from_utf8_lossy(&what.into()).into_owned();
        let lower = text.to_lowercase();
        self.0.push(Place { name: place.into(), text, lower });
    }

    /// All but some.
    pub(crate) fn but_for(&self, places: &[&str]) -> Self {
        let rest = self.0.iter().filter(|place| !places.contains(&place.name.as_str()));
        Self(rest.cloned().collect())
    }

    /// The places that hold these words as they stand.
    pub(crate) fn with(&self, words: &str) -> Vec<&str> {
        let holding = self.0.iter().filter(|place| place.text.contains(words));
        holding.map(|place| place.name.as_str()).collect()
    }

    /// A line that says where a value was found, in which form.
    pub(crate) fn found(&self, what: &str, value: &str) -> Option<String> {
        let (spellings, bare) = (spellings::of(value), is_unlikely(value));
        let form = |place: &Place| spellings.iter().find(|spelling| place.holds(spelling, bare));
        let hits = self.0.iter().filter_map(|place| Some(format!("{} ({})", place.name, form(place)?.name)));
        let mut hits: Vec<String> = hits.collect();
        hits.sort();
        hits.dedup();
        (!hits.is_empty()).then(|| format!("{what}: {}", hits.join(", ")))
    }
}

/// Whether a value is found where that is written.
fn finds(value: &str, written: &str) -> bool {
    let mut places = Places::default();
    places.add("here", format!("before {written} behind"));
    places.found("x", value).is_some()
}

#[test]
fn a_mark_is_found_in_every_form() {
    let mut marks = Marks::default();
    let mark = marks.make("x");
    let hex: String = mark.bytes().map(|byte| format!("{byte:02x}")).collect();
    let (listed, json) = (format!("{:?}", mark.as_bytes()), serde_json::to_string(mark.as_bytes()).unwrap());
    let mut forms = vec![mark.clone(), mark.to_uppercase(), hex.to_uppercase(), hex, listed, json];
    forms.extend(
        (0..3).map(|n| epro_proving::sample::base64(format!("{}{mark}yz", "x".repeat(n)).as_bytes())),
    );
    for form in forms {
        assert!(finds(&mark, &form), "{form}");
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
        r#"M\u00C1RTA'S <\"Q\"> & CO/X"#,
        r#"M\\u00e1rta's <\\\"Q\\\"> & co/x"#,
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
        assert!(finds(value, form), "{form}");
    }
}

#[test]
fn a_value_is_found_in_every_case_however_it_is_composed_and_as_rust_writes_it() {
    let value = "Weißquillon's Işıl, İpek Á";
    let decomposed = "Weißquillon's Is\u{327}ıl, I\u{307}pek A\u{301}";
    for text in [value, decomposed] {
        let debug = format!("{:?}", bytes::Bytes::copy_from_slice(text.as_bytes()));
        for form in [
            text.to_owned(),
            text.to_uppercase(),
            text.to_lowercase(),
            text.replace("Weiß", "Weiss").replace('ı', "i"),
            format!("{:?}", text.as_bytes()),
            text.as_bytes().escape_ascii().to_string(),
            text.escape_default().to_string(),
            serde_json::to_string(&debug).unwrap(),
            debug,
        ] {
            assert!(finds(value, &form) && finds(decomposed, &form), "{form}");
        }
    }
}

#[test]
fn what_an_id_may_hold_by_chance_is_found_only_as_a_word_of_its_own() {
    let mut marks = Marks::default();
    assert!(is_unlikely(&marks.make("x")));
    for unlikely in ["078-05-1120", "1931-03-14", "8025550147", "DE89370400440532013000"] {
        assert!(is_unlikely(unlikely), "{unlikely}");
    }
    for likely in ["face", "M. Q.", "44260-8", "078051120", "001B44113AB7", "deadbeef-0047"] {
        assert!(!is_unlikely(likely), "{likely}");
    }
    let mark = "001B44113AB7";
    for written in
        [mark, "\"001b44113ab7\"", "mac=001B44113AB7;", "%{001B44113AB7}", "303031423434313133414237"]
    {
        assert!(finds(mark, written), "{written}");
    }
    for chance in ["0198f2b0-5c1e-7d7a-9f0e-001b44113ab7", "001b44113ab7ff00", "0.001b44113ab7"] {
        assert!(!finds(mark, chance), "{chance}");
    }
}
