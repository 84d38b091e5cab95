//! A hospital that tells of a patient: whatever of a resource may hold words holds every identifier there is.

use serde_json::{Value, json};

use super::echoes::{Echo, http_answer, refusal};

/// What it says.
#[derive(Clone)]
pub(super) struct Words {
    /// In resources that answer the question.
    pub(super) told: String,
    /// One word beside them: in headers, in what is included, in the address of the next page.
    pub(super) beside: String,
}

impl Words {
    /// A hospital that answers every search with two pages.
    pub(super) async fn whole(self) -> Echo {
        Echo::answering(move |_, request| {
            let bundle = match asked(request) {
                Asked::First(kind) => self.searchset(kind, [1, 1], true),
                Asked::Next(kind) => self.searchset(kind, [1, 1], false),
            };
            self.answer(&bundle)
        })
        .await
    }

    /// A hospital of whose answers none is of use: they are about two patients, of another type, or refusals.
    pub(super) async fn useless(self) -> Echo {
        Echo::answering(move |_, request| match asked(request) {
            Asked::First("Observation") => self.answer(&self.searchset("Observation", [1, 2], false)),
            Asked::First("MedicationRequest") => self.answer(&self.searchset("Patient", [1, 1], false)),
            _ => refusal(422, &self.beside, &self.told),
        })
        .await
    }

    fn answer(&self, bundle: &Value) -> String {
        http_answer(200, &self.beside, &[], &bundle.to_string())
    }

    /// A page of resources of these patients, with what a server may put beside them.
    fn searchset(&self, kind: &str, patients: [u8; 2], goes_on: bool) -> Value {
        let Self { told, beside } = self;
        let mut entries: Vec<Value> = patients
            .iter()
            .map(|patient| json!({"search": {"mode": "match"}, "resource": self.resource(kind, *patient)}))
            .collect();
        let included = json!({"resourceType": "Patient", "id": beside, "name": [{"text": told}]});
        entries.push(json!({"search": {"mode": "include"}, "fullUrl": beside, "resource": included}));
        let outcome = json!({"resourceType": "OperationOutcome", "issue": [{"diagnostics": told}]});
        entries.push(json!({"search": {"mode": "outcome"}, "resource": outcome}));
        let mut links = vec![json!({"relation": "self", "url": format!("{kind}?patient.name={beside}")})];
        if goes_on {
            links.push(json!({"relation": "next", "url": format!("pages/{kind}?patient.name={beside}")}));
        }
        json!({"resourceType": "Bundle", "type": "searchset", "id": beside, "link": links, "entry": entries})
    }

    fn resource(&self, kind: &str, patient: u8) -> Value {
        let Self { told, beside } = self;
        json!({
            "resourceType": kind, "id": beside, "status": "final",
            "meta": {"source": told, "tag": [{"display": told}]},
            "text": {"status": "generated", "div": format!("<div>{told}</div>")},
            "contained": [{"resourceType": "Patient", "name": [{"text": told}]}],
            "extension": [{"url": "http://x.example/words", "valueString": told}],
            "identifier": [{"system": told, "value": told}],
            "subject": {"reference": format!("Patient/{beside}-{patient}"), "display": told,
                "identifier": {"value": told}},
            "performer": [{"display": told}],
            "code": {"text": told, "coding": [{"code": told, "display": told}]},
            "valueString": told,
            "dosageInstruction": [{"text": told, "patientInstruction": told}],
            "conclusion": told,
            "note": [{"authorString": told, "text": told}],
        })
    }
}

/// What is asked for.
enum Asked<'r> {
    /// The first page of resources of a kind: `POST /at/Observation/_search`.
    First(&'r str),
    /// The next one, where the first one said: `GET /at/pages/Observation?…`.
    Next(&'r str),
}

fn asked(request: &str) -> Asked<'_> {
    let path = request.split(' ').nth(1).expect("a request's path");
    let parts: Vec<&str> = path.split(['/', '?']).collect();
    match parts[..] {
        ["", "at", "pages", kind, ..] => Asked::Next(kind),
        ["", "at", kind, "_search"] => Asked::First(kind),
        _ => panic!("it was asked {path}"),
    }
}
