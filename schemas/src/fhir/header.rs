//! What a response says of itself, above its items.

use std::borrow::Cow;

use super::element::Elements;
use super::{AMENDS, Identifier, REASON, Response, SITE, STUDY, items};
use crate::json::{Entry, Json};
use crate::phi::Phi;
use crate::submission::parse::field;
use crate::submission::{InstrumentRef, MAX_CODE};
use crate::violation::Violations;

/// The elements of R4.
const RESPONSE: [&str; 15] = [
    "resourceType",
    "meta",
    "language",
    "text",
    "contained",
    "identifier",
    "basedOn",
    "partOf",
    "questionnaire",
    "status",
    "subject",
    "encounter",
    "authored",
    "author",
    "source",
];
const IDENTIFIER: [&str; 6] = ["use", "type", "system", "value", "period", "assigner"];
const REFERENCE: [&str; 4] = ["reference", "type", "identifier", "display"];

type Read<T> = Result<T, &'static str>;

pub(super) fn response(entries: Vec<Entry<'_>>, problems: &mut Violations) -> Option<Response> {
    let known: Vec<&str> = RESPONSE.into_iter().chain(["item"]).collect();
    let name = entries.iter().find(|entry| entry.key == "resourceType").map(|entry| &entry.value);
    if !matches!(name, Some(Json::Text(name)) if name == "QuestionnaireResponse") {
        problems.add("", "must be a QuestionnaireResponse");
        return None;
    }
    let mut it = Elements::of(entries, "QuestionnaireResponse", &known, problems);
    let amended = it.required("status", problems, status);
    let value = it.take("identifier", problems);
    let identifier = value.and_then(|value| identifier(value, &it.path("identifier"), problems));
    let instrument = it.required("questionnaire", problems, canonical);
    let answered_at = it.required("authored", problems, field::time);
    let value = it.find("subject");
    let subject = value.and_then(|value| subject(value, &it.path("subject"), problems));
    let own = Own::of(&mut it, problems);
    let answered = items::read(&mut it, problems);
    match (amended, own.amends.is_some(), own.reason.is_some()) {
        (Some(true), false, _) => problems.add(
            it.path("extension"),
            "is required with status amended: urn:epro-relay:amends names the response that it replaces",
        ),
        (Some(true), true, false) => {
            problems.add(it.path("extension"), "is required with status amended: urn:epro-relay:reason");
        }
        (Some(false), amends, reason) if amends || reason => {
            problems.add(it.path("status"), "must be amended for a response that replaces another");
        }
        _ => {}
    }
    let (answers, places) = answered?;
    Some(Response {
        identifier: identifier?,
        subject,
        study_id: own.study_id,
        site_id: own.site_id,
        amends: own.amends,
        reason: own.reason,
        instrument: instrument?,
        answered_at: answered_at?,
        answers,
        places,
    })
}

/// Whether it is an amendment.
fn status(value: Json<'_>) -> Read<bool> {
    match field::text(value)?.as_ref() {
        "completed" => Ok(false),
        "amended" => Ok(true),
        "in-progress" | "stopped" => {
            Err("must be completed or amended: what isn't finished is not taken here")
        }
        "entered-in-error" => Err("must be completed or amended: to withdraw answers, amend them"),
        _ => Err("must be completed or amended"),
    }
}

/// `https://…/phq-9|1.0`: the last part of the URL is the instrument, whoever publishes it.
fn canonical(value: Json<'_>) -> Read<InstrumentRef> {
    const RULE: &str =
        "must be a canonical URL with its version, like https://example.org/Questionnaire/phq-9|1.0";
    let text = field::text(value)?;
    let (url, version) = text.rsplit_once('|').ok_or(RULE)?;
    let id = url.rsplit('/').next().unwrap_or_default();
    InstrumentRef::new(id, version).map_err(|_| RULE)
}

fn word(value: Json<'_>) -> Read<Cow<'_, str>> {
    let text = field::text(value)?;
    let sound = !text.is_empty() && text.trim() == text && !text.contains(char::is_control);
    if sound && text.chars().count() <= MAX_CODE {
        Ok(text)
    } else {
        Err("must be 1 to 256 characters without white space around them")
    }
}

fn phi(value: Json<'_>) -> Read<Phi<String>> {
    Ok(Phi::new(word(value)?.into_owned()))
}

fn identifier(value: Json<'_>, path: &str, problems: &mut Violations) -> Option<Identifier> {
    let mut it = Elements::read(value, path, &IDENTIFIER, problems)?;
    let system = it.optional("system", problems, phi);
    Some(Identifier { system, value: it.required("value", problems, phi)? })
}

/// `Patient/ID`, or the value of an identifier.
fn subject(value: Json<'_>, path: &str, problems: &mut Violations) -> Option<Phi<String>> {
    let mut it = Elements::read(value, path, &REFERENCE, problems)?;
    let referred = it.optional("reference", problems, |value| reference(value, "Patient"));
    let identified = it.find("identifier").and_then(|value| {
        let mut it = Elements::read(value, &it.path("identifier"), &IDENTIFIER, problems)?;
        it.required("value", problems, field::subject)
    });
    match (referred, identified) {
        (Some(a), Some(b)) if a != b => {
            problems.add(path, "must name one patient, by reference or by identifier");
            None
        }
        (None, None) => {
            problems.add(path, "must name the patient by reference, like Patient/123, or by identifier");
            None
        }
        (a, b) => a.or(b),
    }
}

/// The id behind `Patient/`, of whatever server.
fn reference(value: Json<'_>, resource: &str) -> Read<Phi<String>> {
    const RULE: &str = "must be a reference to the right type of resource, like Patient/123";
    let text = field::text(value)?;
    let mut parts = text.rsplit('/');
    match (parts.next(), parts.next()) {
        (Some(id), Some(name)) if name == resource => field::subject(Json::Text(id.into())),
        _ => Err(RULE),
    }
}

/// Our extensions; others are left alone.
#[derive(Default)]
struct Own {
    study_id: Option<String>,
    site_id: Option<String>,
    amends: Option<Identifier>,
    reason: Option<Phi<String>>,
}

impl Own {
    fn of(response: &mut Elements<'_>, problems: &mut Violations) -> Self {
        let mut own = Self::default();
        let mut seen: Vec<String> = Vec::new();
        for (path, value) in response.list("extension", problems) {
            let Json::Object(entries) = value else {
                problems.add(path, "must be an object");
                continue;
            };
            let url = entries.iter().find_map(|entry| match (&*entry.key, &entry.value) {
                ("url", Json::Text(url)) => Some(url.to_string()),
                _ => None,
            });
            let Some(url) = url.filter(|url| [STUDY, SITE, AMENDS, REASON].contains(&url.as_str())) else {
                continue;
            };
            if seen.contains(&url) {
                problems.add(path, "is given twice");
                continue;
            }
            own.put(&url, entries, &path, problems);
            seen.push(url);
        }
        own
    }

    fn put(&mut self, url: &str, entries: Vec<Entry<'_>>, path: &str, problems: &mut Violations) {
        let value = match url {
            AMENDS => ["url", "valueIdentifier", "valueReference"].as_slice(),
            _ => ["url", "valueString"].as_slice(),
        };
        let mut it = Elements::of(entries, path, value, problems);
        match url {
            STUDY => self.study_id = it.required("valueString", problems, field::name),
            SITE => self.site_id = it.required("valueString", problems, field::name),
            REASON => self.reason = it.required("valueString", problems, field::reason),
            _ => self.amends = amends(&mut it, problems),
        }
    }
}

fn amends(it: &mut Elements<'_>, problems: &mut Violations) -> Option<Identifier> {
    if let Some(value) = it.find("valueReference") {
        let mut it = Elements::read(value, &it.path("valueReference"), &REFERENCE, problems)?;
        let read = |value| reference(value, "QuestionnaireResponse");
        return Some(Identifier { system: None, value: it.required("reference", problems, read)? });
    }
    let value = it.take("valueIdentifier", problems)?;
    identifier(value, &it.path("valueIdentifier"), problems)
}
