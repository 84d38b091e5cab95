//! A strict reader of JSON.
//!
//! serde_json would serve, but for three things: it keeps the last of two
//! equal keys, it turns numbers into doubles before anybody has seen whether
//! they were whole, and it stops at the first string that it doesn't like.
//! Here such flaws stay in the tree, at their place, so that all of them can be
//! reported at once. Only what isn't JSON at all ends the reading.

pub(crate) mod number;
mod string;

use std::borrow::Cow;

/// The deepest nesting. Our own forms need five levels.
const MAX_DEPTH: usize = 16;

/// A value; strings borrow from the text where they have no escapes.
#[derive(Debug)]
pub(crate) enum Json<'a> {
    Null,
    Boolean(bool),
    /// As written, so that nothing is rounded here.
    Number(&'a str),
    Text(Cow<'a, str>),
    /// A string that can't be used.
    Flawed(Flaw),
    Array(Vec<Json<'a>>),
    /// In the order as written.
    Object(Vec<Entry<'a>>),
}

/// One key of an object with its value.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) key: Cow<'a, str>,
    /// What is wrong with the key.
    pub(crate) flaw: Option<Flaw>,
    pub(crate) value: Json<'a>,
}

/// Well-formed JSON that we refuse nevertheless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// `\u0000`, which PostgreSQL can't store.
    Nul,
    /// Half of a surrogate pair, which is no character.
    Surrogate,
    /// A key that its object already has.
    Twice,
}

impl Flaw {
    pub(crate) const fn rule(self) -> &'static str {
        match self {
            Self::Nul => "must not contain \\u0000",
            Self::Surrogate => "must not contain half of a surrogate pair",
            Self::Twice => "is given twice",
        }
    }
}

/// Not JSON: what is wrong, and the offset in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not JSON: {what} at byte {at}")]
pub(crate) struct NotJson {
    what: &'static str,
    at: usize,
}

/// Reads one value that fills the whole text.
pub(crate) fn parse(bytes: &[u8]) -> Result<Json<'_>, NotJson> {
    parse_within(bytes, MAX_DEPTH)
}

/// The same for forms that nest deeper.
pub(crate) fn parse_within(bytes: &[u8], depth: usize) -> Result<Json<'_>, NotJson> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| NotJson { what: "a byte that is not UTF-8", at: error.valid_up_to() })?;
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(depth)?;
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(reader.not("something after the end")),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<Json<'a>, NotJson> {
        match self.peek() {
            Some(b'"') => Ok(match self.string()? {
                Ok(text) => Json::Text(text),
                Err(flaw) => Json::Flawed(flaw),
            }),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b't') => self.word("true", Json::Boolean(true)),
            Some(b'f') => self.word("false", Json::Boolean(false)),
            Some(b'n') => self.word("null", Json::Null),
            Some(_) => Err(self.not("something that begins no value")),
            None => Err(self.not("the end, where a value is missing,")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json<'a>, NotJson> {
        let depth = self.enter(depth)?;
        let mut entries = Vec::new();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Json::Object(entries));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.not("something that is no key"));
            }
            let (key, flaw) = match self.string()? {
                Ok(key) => (key, None),
                Err(flaw) => (Cow::Borrowed(""), Some(flaw)),
            };
            if self.peek() != Some(b':') {
                return Err(self.not("a key without a colon"));
            }
            self.at += 1;
            let value = self.value(depth)?;
            entries.push(Entry { key, flaw, value });
            if self.ends(b'}')? {
                mark_repeated(&mut entries);
                return Ok(Json::Object(entries));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json<'a>, NotJson> {
        let depth = self.enter(depth)?;
        let mut values = Vec::new();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Json::Array(values));
        }
        loop {
            values.push(self.value(depth)?);
            if self.ends(b']')? {
                return Ok(Json::Array(values));
            }
        }
    }

    /// After an element: whether the closing bracket stood there, not a comma.
    fn ends(&mut self, close: u8) -> Result<bool, NotJson> {
        match self.peek() {
            Some(b',') => self.at += 1,
            Some(found) if found == close => {
                self.at += 1;
                return Ok(true);
            }
            Some(_) => return Err(self.not("something where a comma is missing")),
            None => return Err(self.not("the end, where a bracket is open,")),
        }
        Ok(false)
    }

    fn enter(&mut self, depth: usize) -> Result<usize, NotJson> {
        let depth = depth.checked_sub(1).ok_or_else(|| self.not("nesting that is too deep"))?;
        self.at += 1;
        Ok(depth)
    }

    fn number(&mut self) -> Result<Json<'a>, NotJson> {
        let start = self.at;
        self.at += usize::from(self.byte() == Some(b'-'));
        if self.byte() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            self.at += usize::from(matches!(self.byte(), Some(b'+' | b'-')));
            self.digits()?;
        }
        let number = self.text.get(start..self.at).unwrap_or_default();
        Ok(Json::Number(number))
    }

    fn digits(&mut self) -> Result<(), NotJson> {
        let start = self.at;
        while self.byte().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { Err(self.not("a number without its digits")) } else { Ok(()) }
    }

    fn word(&mut self, word: &str, value: Json<'a>) -> Result<Json<'a>, NotJson> {
        match self.text.as_bytes().get(self.at..) {
            Some(rest) if rest.starts_with(word.as_bytes()) => {
                self.at += word.len();
                Ok(value)
            }
            _ => Err(self.not("something that begins no value")),
        }
    }

    /// The next byte that isn't white space; stays before it.
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.byte() {
                Some(b' ' | b'\n' | b'\t' | b'\r') => self.at += 1,
                other => return other,
            }
        }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    const fn not(&self, what: &'static str) -> NotJson {
        NotJson { what, at: self.at }
    }
}

/// Marks each key that stood in the object before. Comparing all pairs is
/// fastest for the few keys of an honest body; a hostile one gets a sort.
fn mark_repeated(entries: &mut [Entry<'_>]) {
    const FEW: usize = 24;
    if entries.len() <= FEW {
        for n in 1..entries.len() {
            let (before, rest) = entries.split_at_mut(n);
            if let Some(entry) = rest.first_mut() {
                entry.flaw = entry.flaw.or(before.iter().any(|b| b.key == entry.key).then_some(Flaw::Twice));
            }
        }
        return;
    }
    let mut order: Vec<(usize, &mut Entry<'_>)> = entries.iter_mut().enumerate().collect();
    order.sort_unstable_by(|(n, a), (m, b)| a.key.cmp(&b.key).then(n.cmp(m)));
    let mut before: Option<&str> = None;
    for (_, entry) in &mut order {
        if before == Some(&entry.key) {
            entry.flaw = entry.flaw.or(Some(Flaw::Twice));
        }
        before = Some(&entry.key);
    }
}

#[cfg(test)]
mod tests;
