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
        self.0.push((what.to_owned(), value.to_owned()));
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(what, mark)| (what.as_str(), mark.as_str()))
    }
}

/// What was written, answered, counted or stored, in lower case, by where it was.
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

/// As text in either case, in hexadecimal, as a list of bytes, and in Base64 at each of its three places.
fn forms(value: &str) -> Vec<(&'static str, String)> {
    let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
    // The end of a list is enough, and of all that is looked for the short is found fastest.
    let end = &value.as_bytes()[value.len().saturating_sub(6)..];
    let bytes = end.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    let mut forms = vec![
        ("text", value.to_owned()),
        ("upper case", value.to_ascii_uppercase()),
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
    forms
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
