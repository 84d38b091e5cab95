//! The short way for plain bodies: what nearly every device sends, read without a tree of it.
//!
//! Takes less than the strict reader and nothing else: what is here is how a plain body is told from others, while
//! each value is judged by the same functions. Says nothing about a body that it doesn't take.

use std::borrow::Cow;
use std::collections::BTreeMap;

use time::OffsetDateTime;
use uuid::Uuid;

use super::{answers, field};
use crate::json::Json;
use crate::phi::Phi;
use crate::submission::{Answer, Answers, InstrumentRef, Submission};

/// The most answers of a plain body: few enough that comparing all pairs of keys costs a hostile one little.
const MOST: usize = 64;
/// The most digits of a plain number: few enough that a double holds them all.
const DIGITS: usize = 14;
/// Room for the answers of most questionnaires.
const USUAL: usize = 12;

/// A submission whose body is plain: each key once, no escapes, no `null`, and neither totals nor an amendment.
/// `None` for any other body, good or bad: let the strict reader say.
pub(super) fn read(body: &[u8]) -> Option<Submission> {
    let mut scan = Scan { text: std::str::from_utf8(body).ok()?, at: 0 };
    let mut found = Found::default();
    scan.eat(b'{')?;
    loop {
        let key = scan.string()?;
        scan.eat(b':')?;
        found.put(key, &mut scan)?;
        if !scan.more()? {
            break;
        }
    }
    if scan.peek().is_some() { None } else { found.submission() }
}

/// What was read so far.
#[derive(Default)]
struct Found {
    submission_id: Option<Uuid>,
    study_id: Option<String>,
    site_id: Option<String>,
    subject_id: Option<Phi<String>>,
    instrument: Option<InstrumentRef>,
    answered_at: Option<OffsetDateTime>,
    sent_at: Option<OffsetDateTime>,
    answers: Option<Answers>,
}

impl Found {
    fn put(&mut self, key: &str, scan: &mut Scan<'_>) -> Option<()> {
        match key {
            "submission_id" => once(&mut self.submission_id, field::uuid(scan.text()?).ok()),
            "study_id" => once(&mut self.study_id, field::name(scan.text()?).ok()),
            "site_id" => once(&mut self.site_id, field::name(scan.text()?).ok()),
            "subject_id" => once(&mut self.subject_id, field::subject(scan.text()?).ok()),
            "instrument" => once(&mut self.instrument, field::reference(scan.text()?).ok()),
            "answered_at" => once(&mut self.answered_at, field::time(scan.text()?).ok()),
            "sent_at" => once(&mut self.sent_at, field::time(scan.text()?).ok()),
            "answers" => once(&mut self.answers, all_answers(scan)),
            _ => None,
        }
    }

    fn submission(self) -> Option<Submission> {
        Some(Submission {
            submission_id: self.submission_id?,
            study_id: self.study_id?,
            site_id: self.site_id?,
            subject_id: self.subject_id,
            instrument: self.instrument?,
            answered_at: self.answered_at?,
            sent_at: self.sent_at,
            answers: self.answers?,
            stated: BTreeMap::new(),
            amends: None,
            reason: None,
        })
    }
}

/// Keeps a value, if it is good and the first under its key.
fn once<T>(slot: &mut Option<T>, value: Option<T>) -> Option<()> {
    if slot.is_some() {
        return None;
    }
    *slot = Some(value?);
    Some(())
}

fn all_answers(scan: &mut Scan<'_>) -> Option<Answers> {
    let mut all: Vec<(String, Answer)> = Vec::with_capacity(USUAL);
    scan.eat(b'{')?;
    loop {
        let key = scan.string()?;
        let fits = all.len() < MOST && answers::is_link_id(key);
        if !fits || all.iter().any(|(known, _)| known == key) {
            return None;
        }
        scan.eat(b':')?;
        all.push((key.to_owned(), answers::single(scan.value()?).ok()?));
        if !scan.more()? {
            return Some(all.into_iter().collect());
        }
    }
}

/// Goes through a text; `None` where it isn't plain.
struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
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

    fn eat(&mut self, byte: u8) -> Option<()> {
        if self.peek()? != byte {
            return None;
        }
        self.at += 1;
        Some(())
    }

    /// Behind a value of an object: whether another key follows.
    fn more(&mut self) -> Option<bool> {
        let more = match self.peek()? {
            b',' => true,
            b'}' => false,
            _ => return None,
        };
        self.at += 1;
        Some(more)
    }

    /// A string without escapes, as it stands.
    fn string(&mut self) -> Option<&'a str> {
        self.eat(b'"')?;
        let (start, rest) = (self.at, self.text.as_bytes().get(self.at..)?);
        let length = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f))?;
        if rest.get(length) != Some(&b'"') {
            return None;
        }
        self.at += length + 1;
        self.text.get(start..start + length)
    }

    /// The same as a value.
    fn text(&mut self) -> Option<Json<'a>> {
        self.string().map(|text| Json::Text(Cow::Borrowed(text)))
    }

    fn value(&mut self) -> Option<Json<'a>> {
        match self.peek()? {
            b'"' => self.text(),
            b'-' | b'0'..=b'9' => self.whole().map(Json::Number),
            b't' => self.word("true", true),
            b'f' => self.word("false", false),
            _ => None,
        }
    }

    /// The digits of a whole number. A point or an exponent behind them is nothing that may follow a value.
    fn whole(&mut self) -> Option<&'a str> {
        let start = self.at;
        self.at += usize::from(self.byte() == Some(b'-'));
        let (digits_from, first) = (self.at, self.byte()?);
        while self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        let digits = self.at - digits_from;
        let plain = (1..=DIGITS).contains(&digits) && (first != b'0' || digits == 1);
        if plain { self.text.get(start..self.at) } else { None }
    }

    fn word(&mut self, word: &str, yes: bool) -> Option<Json<'a>> {
        let rest = self.text.as_bytes().get(self.at..)?;
        if !rest.starts_with(word.as_bytes()) {
            return None;
        }
        self.at += word.len();
        Some(Json::Boolean(yes))
    }
}

#[cfg(test)]
mod tests;
