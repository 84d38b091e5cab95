//! Stored answers as items of a QuestionnaireResponse.

use serde_json::{Value, json};

use crate::instrument::Instrument;
use crate::instrument::definition::Kind;

/// One item for all answers of a linkId, which follow each other: coded and numeric answers as the research tables
/// keep them (`link_id`, and `code` or `value`). Without the instrument, codes stand without system and display.
#[must_use]
pub fn items(instrument: Option<&Instrument>, rows: &[Value]) -> Vec<Value> {
    let of_one = |chunk: &[Value]| {
        let link_id = chunk.first().and_then(|row| row["link_id"].as_str()).unwrap_or_default();
        let answers: Vec<Value> = chunk.iter().map(|row| answer(instrument, link_id, row)).collect();
        json!({"linkId": link_id, "answer": answers})
    };
    rows.chunk_by(|a, b| a["link_id"] == b["link_id"]).map(of_one).collect()
}

fn answer(instrument: Option<&Instrument>, link_id: &str, row: &Value) -> Value {
    let definition = instrument.map(Instrument::definition);
    let item =
        definition.and_then(|definition| definition.items.iter().find(|item| item.link_id == *link_id));
    let Some(code) = row["code"].as_str() else {
        let name = match (&row["value"], item.map(|item| item.kind)) {
            (Value::Bool(_), _) => "valueBoolean",
            (Value::String(_), _) => "valueString",
            (_, Some(Kind::Integer)) => "valueInteger",
            _ => "valueDecimal",
        };
        return json!({name: row["value"]});
    };
    let list = item.and_then(|item| definition?.lists.get(item.list.as_ref()?));
    let mut coding = json!({"code": code});
    if let Some(list) = list {
        coding["system"] = json!(list.system);
        let display = list.options.iter().find(|option| option.code == *code);
        if let Some(display) = display.and_then(|option| option.display.as_ref()) {
            coding["display"] = json!(display);
        }
    }
    json!({"valueCoding": coding})
}
