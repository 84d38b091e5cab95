//! A document as ORU^R01 of HL7 v2.5.1.

use epro_process::config::MllpConfig;
use epro_schemas::instrument::definition::OptionList;
use epro_schemas::instrument::{Score, Value};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::code::{coded, system, system_of};
use super::text::escaped;
use crate::hospitals::document::Document;

/// With its offset, so that nobody has to guess it.
const TIME: &[BorrowedFormatItem<'_>] = format_description!(
    "[year][month][day][hour][minute][second][offset_hour sign:mandatory][offset_minute]"
);
/// The longest ST.
const SHORT: usize = 199;

/// The message, the same for every try: each segment ends with a carriage return.
pub(super) fn message(document: &Document<'_>, config: &MllpConfig, control_id: &str) -> String {
    let mut segments = vec![msh(document, config, control_id), pid(document), obr(document)];
    let mut number = 0;
    let mut add = |observation: String| {
        number += 1;
        segments.push(format!("OBX|{number}|{observation}"));
    };
    observations(document).for_each(&mut add);
    segments.iter().map(|segment| format!("{segment}\r")).collect()
}

fn msh(document: &Document<'_>, config: &MllpConfig, control_id: &str) -> String {
    let (us, them) = (&config.sending, &config.receiving);
    format!(
        r"MSH|^~\&|{}|{}|{}|{}|{}||ORU^R01^ORU_R01|{control_id}|{}|2.5.1||||||{}",
        us.application,
        us.facility,
        them.application,
        them.facility,
        time(document.received_at),
        config.processing_id.as_str(),
        config.charset.as_str(),
    )
}

/// The trial's id of the subject, assigned by the study; in the place of a name, that there is none (`S`: a
/// pseudonym stands for it).
fn pid(document: &Document<'_>) -> String {
    let study = escaped(&document.submission.study_id);
    format!("PID|1||{}^^^{study}^PI||^^^^^^S", escaped(document.subject.expose()))
}

/// OBR-3 is the same in every version, so that a correction finds what it corrects.
fn obr(document: &Document<'_>) -> String {
    let definition = document.instrument.definition();
    let reference = document.instrument.reference();
    let own = escaped(&reference.to_string());
    let service = match &definition.panel {
        Some(panel) => format!("{}^{own}^^L", coded(panel, &definition.title, system_of(panel))),
        None => coded(&reference.to_string(), &definition.title, "L"),
    };
    format!(
        "OBR|1||{}^EPRO-RELAY|{service}|||{}|||||||||||||||{}|||{}",
        document.root.simple(),
        time(document.submission.answered_at),
        time(document.received_at),
        status(document),
    )
}

/// `C` replaces what is there, `F` is the first that comes.
fn status(document: &Document<'_>) -> &'static str {
    if document.correction { "C" } else { "F" }
}

/// The rest of each OBX, after its number: the answered items in the instrument's order, then the scores. What has
/// no value is `X` where an earlier version may have had one, and a score is always told.
fn observations<'d>(document: &'d Document<'_>) -> impl Iterator<Item = String> + 'd {
    let definition = document.instrument.definition();
    let items = definition.items.iter().filter_map(move |item| {
        let list = item.list.as_ref().and_then(|name| definition.lists.get(name));
        let name = coded(&item.link_id, item.text.as_deref().unwrap_or_default(), system_of(&item.link_id));
        match document.resolved.get(&item.link_id) {
            Some(value) => Some(obx(document, &name, Some(answer(list, value)))),
            None if document.correction => Some(obx(document, &name, None)),
            None => None,
        }
    });
    let scores =
        document.scores.iter().map(move |score| obx(document, &score_name(score), score_value(score)));
    items.chain(scores)
}

/// A value: its type, itself, its units.
type Told = (&'static str, String, &'static str);

fn obx(document: &Document<'_>, name: &str, value: Option<Told>) -> String {
    let status = if value.is_some() { status(document) } else { "X" };
    let (kind, value, units) = value.unwrap_or_default();
    format!("{kind}|{name}||{value}|{units}|||||{status}|||{}", time(document.submission.answered_at))
}

fn score_name(score: &Score) -> String {
    match &score.code {
        Some(code) => coded(code, &score.id, system_of(code)),
        None => coded(&score.id, "", "L"),
    }
}

fn score_value(score: &Score) -> Option<Told> {
    score.value.map(|value| ("NM", value.to_string(), "{score}^^UCUM"))
}

fn answer(list: Option<&OptionList>, value: &Value) -> Told {
    match value {
        Value::Coded { code, .. } => ("CWE", choice(list, code), ""),
        Value::Many(choices) => {
            let codes = choices.iter().filter_map(|choice| match choice {
                Value::Coded { code, .. } => Some(code),
                _ => None,
            });
            ("CWE", codes.map(|code| choice(list, code)).collect::<Vec<_>>().join("~"), "")
        }
        Value::Integer(whole) => ("NM", whole.to_string(), ""),
        Value::Decimal(decimal) => ("NM", decimal.to_string(), ""),
        Value::Boolean(true) => ("CWE", "Y^Yes^HL70136".to_owned(), ""),
        Value::Boolean(false) => ("CWE", "N^No^HL70136".to_owned(), ""),
        Value::Text(text) => {
            let text = escaped(text.expose());
            (if text.len() <= SHORT && !text.contains(r"\.br\") { "ST" } else { "FT" }, text, "")
        }
    }
}

fn choice(list: Option<&OptionList>, code: &str) -> String {
    let option = list.and_then(|list| list.options.iter().find(|option| option.code == *code));
    let display = option.and_then(|option| option.display.as_deref()).unwrap_or_default();
    coded(code, display, list.map_or("L", |list| system(&list.system)))
}

fn time(time: OffsetDateTime) -> String {
    time.format(TIME).unwrap_or_default()
}

#[cfg(test)]
mod tests;
