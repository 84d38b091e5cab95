//! A line in FHIR's words.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use uuid::Uuid;

use super::line::Line;

/// Where a response goes.
pub(super) const CREATE: &str = "/fhir/R4/QuestionnaireResponse";
pub(super) const TYPE: &str = "application/fhir+json";

/// The line as a QuestionnaireResponse; its answers are codes.
pub(super) fn resource(line: &Line, id: Uuid, base: Option<Uuid>, authored: &str) -> Result<Value> {
    let answers = line.answers.as_ref().and_then(Value::as_object).context("a line without answers")?;
    let item = |(link_id, code): (&String, &Value)| {
        let coding = json!({"system": "http://loinc.org", "code": code});
        json!({"linkId": link_id, "answer": [{"valueCoding": coding}]})
    };
    let identifier = |id: Uuid| json!({"system": "urn:ietf:rfc:3986", "value": format!("urn:uuid:{id}")});
    let mut resource = json!({
        "resourceType": "QuestionnaireResponse",
        "identifier": identifier(id),
        "questionnaire": format!("https://questionnaires.example/Questionnaire/{}", line.instrument.as_deref().unwrap_or_default()),
        "status": if base.is_some() { "amended" } else { "completed" },
        "subject": {"reference": format!("Patient/{}", line.subject)},
        "authored": authored,
        "item": answers.iter().map(item).collect::<Vec<_>>(),
    });
    if let Some(base) = base {
        resource["extension"] = json!([
            {"url": "urn:epro-relay:amends", "valueIdentifier": identifier(base)},
            {"url": "urn:epro-relay:reason", "valueString": line.reason},
        ]);
    }
    Ok(resource)
}

/// Of what a refusal says, whether something is at `place`.
pub(super) fn points_at(outcome: &Value, place: &str) -> bool {
    let issues = outcome["issue"].as_array().into_iter().flatten();
    issues.filter_map(|issue| issue["expression"][0].as_str()).any(|at| at.starts_with(place))
}
