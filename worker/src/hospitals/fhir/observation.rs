//! What the answers add up to, as an Observation.

use epro_schemas::instrument::Score;
use serde_json::{Value, json};
use uuid::Uuid;

use super::bundle::{date_time, identifier, number, subject};
use crate::hospitals::document::Document;

/// A score. One without a value says so, so that an amendment that loses it replaces the old one.
pub(super) fn observation(document: &Document<'_>, score: &Score, id: Uuid) -> Value {
    let terminology = |name: &str| format!("http://terminology.hl7.org/CodeSystem/{name}");
    let mut observation = json!({
        "resourceType": "Observation",
        "identifier": [identifier(id)],
        "status": if document.is_first_version() { "final" } else { "amended" },
        "category": [{"coding": [{"system": terminology("observation-category"), "code": "survey"}]}],
        "code": code(document, score),
        "subject": subject(document),
        "effectiveDateTime": date_time(document.submission.answered_at),
        "performer": [subject(document)],
        "derivedFrom": [{"reference": format!("urn:uuid:{}", document.root)}],
    });
    match score.value {
        Some(value) => {
            observation["valueQuantity"] = json!({
                "value": number(value),
                "unit": "{score}",
                "system": "http://unitsofmeasure.org",
                "code": "{score}",
            });
        }
        None => {
            let reason = terminology("data-absent-reason");
            observation["dataAbsentReason"] = json!({"coding": [{"system": reason, "code": "unknown"}]});
        }
    }
    if let Some(band) = &score.band {
        observation["interpretation"] = json!([{"text": band.as_str()}]);
    }
    observation
}

fn code(document: &Document<'_>, score: &Score) -> Value {
    let instrument = document.instrument.reference().id();
    let coding = match &score.code {
        Some(code) => json!({"system": "http://loinc.org", "code": code.as_str()}),
        None => json!({"system": format!("urn:epro:score:{instrument}"), "code": score.id.as_str()}),
    };
    json!({"coding": [coding], "text": format!("{} {}", document.instrument.definition().title, score.id)})
}
