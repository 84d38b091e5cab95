//! The body of a request for a report.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::json::number::{self, Number};
use crate::json::{self, Entry, Flaw, Json};
use crate::phi::Phi;
use crate::submission::parse::{Read, field};
use crate::submission::{MAX_NAME, MAX_SUBJECT};
use crate::violation::{Violation, Violations};

const KEYS: [&str; 4] = ["study_id", "site_id", "subject_id", "within_seconds"];

/// What staff ask for: everything of one patient, in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The study in which the patient is known.
    pub study_id: String,
    /// The site whose hospital is asked.
    pub site_id: String,
    /// The patient.
    pub subject_id: Phi<String>,
    /// How long it may take, from its arrival.
    pub within_seconds: Option<u32>,
}

impl Request {
    /// The largest body, in bytes.
    pub const MAX_BYTES: usize = 4096;

    /// Reads a body.
    ///
    /// # Errors
    /// Every problem at once, without a word of the body.
    pub fn parse(body: &[u8]) -> Result<Self, Vec<Violation>> {
        let whole = |rule: String| vec![Violation::new("", rule)];
        let Json::Object(entries) = json::parse(body).map_err(|error| whole(error.to_string()))? else {
            return Err(whole("must be a JSON object".to_owned()));
        };
        let mut fields = Fields::default();
        for (n, entry) in entries.into_iter().enumerate() {
            fields.put(n, entry);
        }
        let study_id = fields.required(0, field::name);
        let site_id = fields.required(1, field::name);
        let subject_id = fields.required(2, field::subject);
        let within_seconds = fields.optional(3, seconds);
        let whole =
            || Some(Self { study_id: study_id?, site_id: site_id?, subject_id: subject_id?, within_seconds });
        let whole = whole();
        fields.problems.or(whole)
    }
}

#[derive(Default)]
struct Fields<'a> {
    values: [Option<Json<'a>>; KEYS.len()],
    problems: Violations,
}

impl<'a> Fields<'a> {
    fn put(&mut self, n: usize, entry: Entry<'a>) {
        let known = |flaw: Option<Flaw>| matches!(flaw, None | Some(Flaw::Twice));
        let slot = KEYS.iter().position(|key| known(entry.flaw) && *key == entry.key);
        let pointer = slot.map_or(format!("/#{}", n + 1), pointer);
        match (entry.flaw, slot.and_then(|slot| self.values.get_mut(slot))) {
            (Some(flaw), _) => self.problems.add(pointer, flaw.rule()),
            (None, Some(value)) => *value = Some(entry.value).filter(|value| !matches!(value, Json::Null)),
            (None, None) => self.problems.add(pointer, "is not a field of a request for a report"),
        }
    }

    fn required<T>(&mut self, slot: usize, read: fn(Json<'a>) -> Read<T>) -> Option<T> {
        if self.values.get(slot).is_none_or(Option::is_none) {
            self.problems.add(pointer(slot), "is required");
        }
        self.optional(slot, read)
    }

    fn optional<T>(&mut self, slot: usize, read: fn(Json<'a>) -> Read<T>) -> Option<T> {
        let value = self.values.get_mut(slot)?.take()?;
        read(value).map_err(|rule| self.problems.add(pointer(slot), rule)).ok()
    }
}

fn pointer(slot: usize) -> String {
    format!("/{}", KEYS.get(slot).copied().unwrap_or_default())
}

fn seconds(value: Json<'_>) -> Read<u32> {
    const RULE: &str = "must be a whole number of seconds, at least 1";
    let Json::Number(text) = value else { return Err(RULE) };
    match number::read(text)? {
        Number::Whole(whole) => u32::try_from(whole).ok().filter(|seconds| *seconds > 0).ok_or(RULE),
        Number::Decimal(_) => Err(RULE),
    }
}

/// By hand, as the parser is.
impl JsonSchema for Request {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ReportRequest".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let name = json_schema!({ "type": "string", "pattern": format!("^[A-Za-z0-9._-]{{1,{MAX_NAME}}}$") });
        json_schema!({
            "description": "What is asked for. Keys that are not listed, and keys given twice, are refused.",
            "type": "object",
            "required": ["study_id", "site_id", "subject_id"],
            "additionalProperties": false,
            "properties": {
                "study_id": name,
                "site_id": name,
                "subject_id": { "type": "string", "minLength": 1, "maxLength": MAX_SUBJECT },
                "within_seconds": {
                    "type": ["integer", "null"], "minimum": 1,
                    "description": "How long it may take, from its arrival; bounded by the configuration.",
                },
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_patient_study_and_site_and_perhaps_how_long_it_may_take() {
        let body = br#"{"study_id":"ONC-301","site_id":"H001","subject_id":"P-1","within_seconds":8}"#;
        let request = Request::parse(body).unwrap();
        assert_eq!((request.study_id.as_str(), request.within_seconds), ("ONC-301", Some(8)));
        let body = br#"{"study_id":"ONC-301","site_id":"H001","subject_id":"P-1","within_seconds":null}"#;
        assert_eq!(Request::parse(body).unwrap().within_seconds, None);
    }

    #[test]
    fn every_problem_is_told_at_once_and_nothing_of_the_body() {
        let body =
            br#"{"study_id":"ONC 301","site_id":"H001","site_id":"H002","Marta":1,"within_seconds":0.5}"#;
        let problems = Request::parse(body).unwrap_err();
        let pointers: Vec<&str> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
        assert_eq!(pointers, ["/site_id", "/#4", "/study_id", "/subject_id", "/within_seconds"]);
        assert!(!format!("{problems:?}").contains("Marta"));
        for body in ["", "[]", "{\"study_id\":", "7"] {
            assert!(Request::parse(body.as_bytes()).is_err(), "{body}");
        }
    }
}
