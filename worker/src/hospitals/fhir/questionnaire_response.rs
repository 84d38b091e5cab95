//! What was answered, as a QuestionnaireResponse.

use epro_schemas::instrument::Value as Answered;
use epro_schemas::instrument::definition::{Item, OptionList};
use serde_json::{Value, json};

use super::bundle::{date_time, identifier, number, subject};
use crate::hospitals::document::Document;

/// The answered items in the instrument's order; an unanswered one isn't there.
pub(super) fn questionnaire_response(document: &Document<'_>, canonical: &str) -> Value {
    let reference = document.instrument.reference();
    let definition = document.instrument.definition();
    let items = definition.items.iter().filter_map(|item| {
        let list = item.list.as_ref().and_then(|name| definition.lists.get(name));
        Some(answered(item, list, document.resolved.get(&item.link_id)?))
    });
    json!({
        "resourceType": "QuestionnaireResponse",
        "identifier": identifier(document.root),
        "questionnaire": format!("{canonical}{}|{}", reference.id(), reference.version()),
        "status": if document.is_first_version() { "completed" } else { "amended" },
        "subject": subject(document),
        "authored": date_time(document.submission.answered_at),
        "author": subject(document),
        "source": subject(document),
        "item": items.collect::<Vec<_>>(),
    })
}

fn answered(item: &Item, list: Option<&OptionList>, value: &Answered) -> Value {
    let answers = match value {
        Answered::Many(choices) => choices.iter().map(|choice| answer(list, choice)).collect(),
        one => vec![answer(list, one)],
    };
    let mut out = json!({"linkId": item.link_id.as_str(), "answer": answers});
    if let Some(text) = &item.text {
        out["text"] = json!(text);
    }
    out
}

fn answer(list: Option<&OptionList>, value: &Answered) -> Value {
    match value {
        Answered::Coded { code, score } => json!({"valueCoding": coding(list, code, *score)}),
        Answered::Integer(whole) => json!({"valueInteger": whole}),
        Answered::Decimal(decimal) => json!({"valueDecimal": number(*decimal)}),
        Answered::Boolean(yes) => json!({"valueBoolean": yes}),
        Answered::Text(text) => json!({"valueString": text.expose()}),
        // An instrument has no list of lists.
        Answered::Many(_) => json!({}),
    }
}

fn coding(list: Option<&OptionList>, code: &str, score: Option<f64>) -> Value {
    let mut coding = json!({"code": code});
    if let Some(list) = list {
        coding["system"] = json!(list.system);
        let option = list.options.iter().find(|option| option.code == *code);
        if let Some(display) = option.and_then(|option| option.display.as_ref()) {
            coding["display"] = json!(display);
        }
    }
    if let Some(score) = score {
        let ordinal = "http://hl7.org/fhir/StructureDefinition/ordinalValue";
        coding["extension"] = json!([{"url": ordinal, "valueDecimal": number(score)}]);
    }
    coding
}
