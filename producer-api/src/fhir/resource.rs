//! A stored response as a QuestionnaireResponse without its patient.

use epro_schemas::instrument::Instrument;
use epro_schemas::instrument::definition::Kind;
use epro_store::responses::StoredResponse;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use uuid::Uuid;

use crate::door::Door;

/// Coded and numeric answers in the instrument's order; no subject, no words of the patient. A study
/// under Safe Harbor has years only.
pub(super) fn of(door: &Door, id: Uuid, stored: &StoredResponse) -> Value {
    let instrument = stored.instrument.parse().ok().and_then(|reference| door.instruments.get(&reference));
    let rows: Vec<Value> = serde_json::from_str(&stored.answers).unwrap_or_default();
    let mut meta = json!({
        "versionId": "1",
        "security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "REDACTED"}],
    });
    if let Some(at) = changed(stored).and_then(|at| at.format(&Rfc3339).ok()) {
        meta["lastUpdated"] = json!(at);
    }
    let authored = stored.answered_at.and_then(|at| at.format(&Rfc3339).ok());
    json!({
        "resourceType": "QuestionnaireResponse",
        "id": id,
        "meta": meta,
        "identifier": {"system": "urn:ietf:rfc:3986", "value": format!("urn:uuid:{id}")},
        "questionnaire": format!("Questionnaire/{}", stored.instrument),
        "status": if stored.amends.is_some() { "amended" } else { "completed" },
        "authored": authored.unwrap_or_else(|| stored.answered_year.to_string()),
        "item": items(instrument, &rows),
    })
}

/// When it was stored, where that may be told.
pub(super) fn changed(stored: &StoredResponse) -> Option<OffsetDateTime> {
    stored.stored_at.filter(|_| !stored.years_only)
}

/// A time as HTTP has it.
pub(super) fn http_date(at: OffsetDateTime) -> Option<String> {
    let form = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    at.to_offset(time::UtcOffset::UTC).format(&form).ok()
}

/// One item for all answers of a linkId, which follow each other.
pub(super) fn items(instrument: Option<&Instrument>, rows: &[Value]) -> Vec<Value> {
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

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    #[test]
    fn a_time_is_told_as_http_has_it() {
        let at = datetime!(1994-11-06 09:49:37 +1);
        assert_eq!(super::http_date(at).as_deref(), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
    }
}
