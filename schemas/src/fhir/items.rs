//! The answers, out of their groups.

use super::element::Elements;
use crate::json::Json;
use crate::json::number::{self, Number};
use crate::phi::Phi;
use crate::submission::parse::field;
use crate::submission::{Answer, Answers, MAX_ANSWERS, MAX_CHOICES, MAX_CODE, MAX_NAME, MAX_TEXT};
use crate::violation::Violations;

const ITEM: [&str; 5] = ["linkId", "definition", "text", "answer", "item"];
const CODING: [&str; 5] = ["system", "version", "code", "display", "userSelected"];
/// Types of answers that some instrument takes.
const TYPES: [&str; 9] = [
    "valueBoolean",
    "valueDecimal",
    "valueInteger",
    "valueDate",
    "valueDateTime",
    "valueTime",
    "valueString",
    "valueUri",
    "valueCoding",
];
/// Types that FHIR has beside.
const OTHERS: [&str; 3] = ["valueAttachment", "valueQuantity", "valueReference"];

/// Answers with the place of each one's item.
pub(super) fn read(response: &mut Elements<'_>, problems: &mut Violations) -> Option<(Answers, Vec<String>)> {
    let mut found = Vec::new();
    collect(response, &mut found, problems);
    if found.is_empty() || found.len() > MAX_ANSWERS {
        problems.add(response.path("item"), format!("must hold 1 to {MAX_ANSWERS} answered items"));
        return None;
    }
    let (answers, places): (Vec<_>, Vec<_>) =
        found.into_iter().map(|(link_id, answer, place)| ((link_id, answer), place)).unzip();
    Some((answers.into_iter().collect(), places))
}

type Found = Vec<(String, Answer, String)>;

/// What is below `item`, at any depth. The reader of JSON has bounded the depth.
fn collect(of: &mut Elements<'_>, found: &mut Found, problems: &mut Violations) {
    for (path, value) in of.list("item", problems) {
        let Some(mut item) = Elements::read(value, &path, &ITEM, problems) else { continue };
        let link_id = item.required("linkId", problems, link_id);
        let answers = item.list("answer", problems);
        if !answers.is_empty() && item.rest().any(|name| name == "item") {
            problems.add(&path, "must not have both answer and item");
        }
        if answers.len() > MAX_CHOICES {
            problems.add(item.path("answer"), "must have at most 50 answers");
            continue;
        }
        let mut given = Vec::with_capacity(answers.len());
        let mut below = Found::new();
        for (path, value) in answers {
            let known: Vec<&str> = TYPES.into_iter().chain(OTHERS).chain(["item"]).collect();
            let Some(mut answer) = Elements::read(value, &path, &known, problems) else { continue };
            collect(&mut answer, &mut below, problems);
            given.extend(one(&mut answer, &path, problems));
        }
        let answer = if given.len() > 1 { Some(Answer::Many(given)) } else { given.pop() };
        if let (Some(link_id), Some(answer)) = (link_id, answer) {
            found.push((link_id, answer, path));
        }
        found.append(&mut below);
        collect(&mut item, found, problems);
    }
}

/// Some form fillers write an item's path, `/phq/44250-9`: its last part is the linkId.
fn link_id(value: Json<'_>) -> Result<String, &'static str> {
    let text = field::text(value)?;
    let id = if text.starts_with('/') { text.rsplit('/').next().unwrap_or_default() } else { &text };
    if id.is_empty() || id.len() > MAX_NAME { Err("must be 1 to 64 characters") } else { Ok(id.to_owned()) }
}

fn one(answer: &mut Elements<'_>, path: &str, problems: &mut Violations) -> Option<Answer> {
    let names: Vec<String> =
        answer.rest().filter(|name| name.starts_with("value")).map(str::to_owned).collect();
    let [name] = &names[..] else {
        problems.add(path, "must have exactly one value");
        return None;
    };
    let place = format!("{path}.value");
    let value = answer.find(name)?;
    if name == "valueCoding" {
        return coding(value, &place, problems);
    }
    let read = match name.as_str() {
        "valueBoolean" => match value {
            Json::Boolean(yes) => Ok(Answer::Boolean(yes)),
            _ => Err("must be true or false"),
        },
        "valueInteger" => match numeric(value) {
            Ok(Answer::Decimal(_)) => Err("must be a whole number"),
            other => other,
        },
        "valueDecimal" => numeric(value),
        name if TYPES.contains(&name) => bounded(value, MAX_TEXT).map(Answer::Text),
        _ => Err("is of a type that no instrument takes"),
    };
    read.map_err(|rule| problems.add(place, rule)).ok()
}

fn numeric(value: Json<'_>) -> Result<Answer, &'static str> {
    let Json::Number(text) = value else { return Err("must be a number") };
    number::read(text).map(|number| match number {
        Number::Whole(whole) => Answer::Integer(whole),
        Number::Decimal(decimal) => Answer::Decimal(decimal),
    })
}

/// A code, with its system or without; the display is for people and decides nothing.
fn coding(value: Json<'_>, place: &str, problems: &mut Violations) -> Option<Answer> {
    let mut it = Elements::read(value, place, &CODING, problems)?;
    let system = it.optional("system", problems, |value| bounded(value, MAX_CODE));
    let code = it.required("code", problems, |value| bounded(value, MAX_CODE))?;
    Some(Answer::Coding { system, code })
}

fn bounded(value: Json<'_>, most: usize) -> Result<Phi<String>, &'static str> {
    let text = field::text(value)?;
    if text.chars().count() > most {
        return Err(if most == MAX_TEXT {
            "must be at most 4000 characters"
        } else {
            "must be at most 256 characters"
        });
    }
    Ok(Phi::new(text.into_owned()))
}
