//! A FHIR R4 QuestionnaireResponse a line.

use std::sync::Arc;

use epro_schemas::envelope::Envelope;
use epro_schemas::fhir;
use epro_store::exports::ExportRow;
use serde_json::{Value, json};
use time::UtcOffset;
use time::format_description::well_known::Rfc3339;

use super::open;
use super::trouble::Trouble;
use crate::submissions::route::Route;

/// Writes resources.
pub(super) struct Ndjson {
    pub route: Arc<Route>,
    /// What goes before an instrument's id in its canonical URL.
    pub canonical: String,
}

impl Ndjson {
    pub(super) fn row(
        &self,
        row: &ExportRow,
        envelope: Option<&Envelope>,
        out: &mut Vec<u8>,
    ) -> Result<(), Trouble> {
        let answers: Vec<Value> = serde_json::from_str(&row.answers)
            .map_err(|_| Trouble::Row("a stored response isn't of the form that it should have"))?;
        let instrument = row.instrument.parse().ok();
        let instrument = instrument.and_then(|reference| self.route.instruments.get(&reference));
        let mut items = fhir::items(instrument, &answers);
        let local = UtcOffset::from_whole_seconds(row.offset_s).unwrap_or(UtcOffset::UTC);
        let authored = row.answered_at.and_then(|at| at.to_offset(local).format(&Rfc3339).ok());
        let mut subject = json!({"system": "urn:epro-relay:pseudonym", "value": row.key.1});
        if let Some(envelope) = envelope {
            subject = json!({"system": format!("urn:epro:study:{}", row.study_id), "value": envelope.subject_id.expose()});
            items.extend(said(envelope));
        }
        let mut resource = json!({
            "resourceType": "QuestionnaireResponse",
            "id": row.response_id,
            "extension": [{"url": fhir::STUDY, "valueString": row.study_id}],
            "questionnaire": format!("{}{}", self.canonical, row.instrument),
            "status": if row.amends.is_some() { "amended" } else { "completed" },
            "subject": {"identifier": subject},
            "authored": authored.unwrap_or_else(|| row.answered_year.to_string()),
            "item": items,
        });
        if row.answered_at.is_some() {
            // The id of a submission tells when it was made.
            resource["identifier"] =
                json!({"system": "urn:ietf:rfc:3986", "value": format!("urn:uuid:{}", row.key.0)});
        }
        if let Some(amends) = row.amends_response_id {
            let replaced = json!({"url": fhir::AMENDS, "valueReference": {"reference": format!("QuestionnaireResponse/{amends}")}});
            if let Some(extensions) = resource["extension"].as_array_mut() {
                extensions.push(replaced);
            }
        }
        serde_json::to_writer(&mut *out, &resource)
            .map_err(|_| Trouble::Row("a response can't be written as JSON"))?;
        out.push(b'\n');
        Ok(())
    }
}

/// What the patient wrote in their own words.
fn said(envelope: &Envelope) -> Vec<Value> {
    let Ok(submission) = envelope.submission() else { return Vec::new() };
    let item =
        |(link_id, text): (&str, String)| json!({"linkId": link_id, "answer": [{"valueString": text}]});
    open::words(&submission).into_iter().map(item).collect()
}
