//! A document as a transaction Bundle.

use aws_lc_rs::digest::{Context, SHA256};
use serde_json::{Value, json};
use uuid::{Builder, Uuid};

use super::observation::observation;
use super::parameter::token;
use super::questionnaire_response::questionnaire_response;
use crate::hospitals::document::Document;

/// The system of identifiers that are URIs themselves.
const URI: &str = "urn:ietf:rfc:3986";

/// All or nothing: the response and an Observation a score. A first version is a conditional create, so that a
/// repeat creates nothing; a later one a conditional update of the same resources, so that there is one of each.
pub(super) fn transaction(document: &Document<'_>, canonical: &str) -> Value {
    let response = questionnaire_response(document, canonical);
    let mut entries = vec![entry(document, "QuestionnaireResponse", document.root, response)];
    for score in document.scores {
        let id = observation_id(document.root, &score.id);
        entries.push(entry(document, "Observation", id, observation(document, score, id)));
    }
    json!({"resourceType": "Bundle", "type": "transaction", "entry": entries})
}

fn entry(document: &Document<'_>, kind: &str, id: Uuid, resource: Value) -> Value {
    let search = format!("identifier={}", token(URI, &format!("urn:uuid:{id}")));
    let request = if document.is_first_version() {
        json!({"method": "POST", "url": kind, "ifNoneExist": search})
    } else {
        json!({"method": "PUT", "url": format!("{kind}?{search}")})
    };
    json!({"fullUrl": format!("urn:uuid:{id}"), "resource": resource, "request": request})
}

/// The identifier of a resource, the same in every version.
pub(super) fn identifier(id: Uuid) -> Value {
    json!({"system": URI, "value": format!("urn:uuid:{id}")})
}

/// Whose it is, as a logical reference: the trial's id of the subject, assigned by the study.
pub(super) fn subject(document: &Document<'_>) -> Value {
    let study = &document.submission.study_id;
    json!({
        "type": "Patient",
        "identifier": {"system": format!("urn:epro:study:{study}"), "value": document.subject.expose()},
    })
}

/// A time as FHIR writes it, with its offset.
pub(super) fn date_time(time: time::OffsetDateTime) -> String {
    time.format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}

/// A number as FHIR writes it: 12, not 12.0.
pub(super) fn number(value: f64) -> Value {
    let whole = value as i64;
    if whole as f64 == value { json!(whole) } else { json!(value) }
}

/// The id of a score's Observation, a UUID of version 8.
fn observation_id(root: Uuid, score: &str) -> Uuid {
    let mut hash = Context::new(&SHA256);
    hash.update(b"epro.observation-id.v1");
    hash.update(root.as_bytes());
    hash.update(score.as_bytes());
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(hash.finish().as_ref()).for_each(|(to, from)| *to = *from);
    Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests;
