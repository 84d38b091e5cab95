//! From bytes to a submission, with every problem on the way.

mod answers;
pub(crate) mod field;
mod plain;

use std::collections::BTreeMap;

use super::{MAX_BYTES, MAX_STATED, Submission};
use crate::json::number::{self, Number};
use crate::json::{self, Entry, Json};
use crate::violation::{Violation, Violations};

/// The keys of a submission; a key's place here is its place in [`Fields`].
pub(super) const KEYS: [&str; 11] = [
    "submission_id",
    "study_id",
    "site_id",
    "subject_id",
    "instrument",
    "answered_at",
    "sent_at",
    "answers",
    "stated",
    "amends",
    "reason",
];

/// What reading a value gives: the value, or the rule that it breaks.
pub(crate) type Read<T> = Result<T, &'static str>;

pub(super) fn submission(body: &[u8]) -> Result<Submission, Vec<Violation>> {
    let plain = if body.len() > MAX_BYTES { None } else { plain::read(body) };
    plain.map_or_else(|| strict(body), Ok)
}

/// The strict reader: of any body, and with every problem that it has.
pub(super) fn strict(body: &[u8]) -> Result<Submission, Vec<Violation>> {
    let whole = |rule: String| vec![Violation::new("", rule)];
    if body.len() > MAX_BYTES {
        return Err(whole(format!("must be at most {MAX_BYTES} bytes")));
    }
    let Json::Object(entries) = json::parse(body).map_err(|error| whole(error.to_string()))? else {
        return Err(whole("must be a JSON object".to_owned()));
    };
    let mut fields = Fields::default();
    for (n, entry) in entries.into_iter().enumerate() {
        fields.put(n, entry);
    }
    fields.submission()
}

/// The values by key, and what was wrong so far.
#[derive(Default)]
struct Fields<'a> {
    values: [Option<Json<'a>>; KEYS.len()],
    problems: Violations,
}

impl<'a> Fields<'a> {
    fn put(&mut self, n: usize, entry: Entry<'a>) {
        let slot = match entry.flaw {
            Some(json::Flaw::Nul | json::Flaw::Surrogate) => None,
            Some(json::Flaw::Twice) | None => KEYS.iter().position(|key| *key == entry.key),
        };
        let pointer =
            || slot.and_then(|slot| KEYS.get(slot)).map_or(format!("/#{}", n + 1), |key| format!("/{key}"));
        match (entry.flaw, slot.and_then(|slot| self.values.get_mut(slot))) {
            (Some(flaw), _) => self.problems.add(pointer(), flaw.rule()),
            (None, Some(value)) => *value = Some(entry.value),
            (None, None) => self.problems.add(pointer(), "is not a field of a submission"),
        }
    }

    fn submission(mut self) -> Result<Submission, Vec<Violation>> {
        let submission_id = self.required("submission_id", field::uuid);
        let study_id = self.required("study_id", field::name);
        let site_id = self.required("site_id", field::name);
        let subject_id = self.optional("subject_id", field::subject);
        let instrument = self.required("instrument", field::reference);
        let answered_at = self.required("answered_at", field::time);
        let sent_at = self.optional("sent_at", field::time);
        let amends = self.optional("amends", field::uuid);
        let reason = self.optional("reason", field::reason);
        let answers = self.take("answers").and_then(|value| answers::read(value, &mut self.problems));
        let stated = self.stated();

        match (amends, &reason) {
            (Some(_), None) => self.problems.add("/reason", "is required with amends"),
            (None, Some(_)) => self.problems.add("/reason", "goes with amends only"),
            _ => {}
        }
        if amends.is_some() && amends == submission_id {
            self.problems.add("/amends", "must name another submission");
        }
        let whole = || {
            Some(Submission {
                submission_id: submission_id?,
                study_id: study_id?,
                site_id: site_id?,
                subject_id,
                instrument: instrument?,
                answered_at: answered_at?,
                sent_at,
                answers: answers?,
                stated,
                amends,
                reason,
            })
        };
        let whole = whole();
        self.problems.or(whole)
    }

    /// The value under a key; `null` is the same as nothing.
    fn find(&mut self, key: &str) -> Option<Json<'a>> {
        let slot = KEYS.iter().position(|known| *known == key)?;
        self.values.get_mut(slot)?.take().filter(|value| !matches!(value, Json::Null))
    }

    /// The same for a key that must be there.
    fn take(&mut self, key: &str) -> Option<Json<'a>> {
        let value = self.find(key);
        if value.is_none() {
            self.problems.add(format!("/{key}"), "is required");
        }
        value
    }

    fn required<T>(&mut self, key: &str, read: fn(Json<'a>) -> Read<T>) -> Option<T> {
        let value = self.take(key)?;
        self.read(key, value, read)
    }

    fn optional<T>(&mut self, key: &str, read: fn(Json<'a>) -> Read<T>) -> Option<T> {
        let value = self.find(key)?;
        self.read(key, value, read)
    }

    fn read<T>(&mut self, key: &str, value: Json<'a>, read: fn(Json<'a>) -> Read<T>) -> Option<T> {
        read(value).map_err(|rule| self.problems.add(format!("/{key}"), rule)).ok()
    }

    fn stated(&mut self) -> BTreeMap<String, f64> {
        let mut stated = BTreeMap::new();
        let entries = match self.find("stated") {
            None => return stated,
            Some(Json::Object(entries)) if entries.len() <= MAX_STATED => entries,
            Some(Json::Object(_)) => {
                self.problems.add("/stated", format!("must hold at most {MAX_STATED} totals"));
                return stated;
            }
            Some(_) => {
                self.problems.add("/stated", "must be an object");
                return stated;
            }
        };
        for (n, entry) in entries.into_iter().enumerate() {
            match total(&entry) {
                Ok(total) => {
                    stated.insert(entry.key.into_owned(), total);
                }
                Err(rule) => self.problems.add(format!("/stated/#{}", n + 1), rule),
            }
        }
        stated
    }
}

fn total(entry: &Entry<'_>) -> Read<f64> {
    if let Some(flaw) = entry.flaw {
        return Err(flaw.rule());
    }
    if !super::is_name(&entry.key) {
        return Err("must be under the id of a score");
    }
    let Json::Number(text) = entry.value else { return Err("must be a number") };
    Ok(match number::read(text)? {
        Number::Whole(whole) => whole as f64,
        Number::Decimal(decimal) => decimal,
    })
}
