//! A stored response as a QuestionnaireResponse without its patient.

use epro_schemas::fhir;
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
        "item": fhir::items(instrument, &rows),
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

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    #[test]
    fn a_time_is_told_as_http_has_it() {
        let at = datetime!(1994-11-06 09:49:37 +1);
        assert_eq!(super::http_date(at).as_deref(), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
    }
}
