//! What the FHIR door takes and refuses, with a mark in each place that takes free text.

use serde_json::{Value, json};
use uuid::Uuid;

use super::marks::Marks;
use crate::support::STUDY;

pub(super) const CREATE: &str = "/fhir/R4/QuestionnaireResponse";
pub(super) const BUNDLE: &str = "/fhir/R4";

/// A response to the diary, everything in it that nobody needs included.
pub(super) fn diary(marks: &mut Marks) -> Value {
    let mut mark = |what: &str| marks.make(&format!("FHIR: {what}"));
    json!({
        "resourceType": "QuestionnaireResponse",
        "id": mark("id"),
        "meta": {"tag": [{"display": mark("meta.tag.display")}], "source": mark("meta.source")},
        "language": "en",
        "text": {"status": "generated", "div": format!("<div>{}</div>", mark("text.div"))},
        "extension": [
            {"url": "urn:epro-relay:study", "valueString": STUDY},
            {"url": "urn:epro-relay:site", "valueString": "H004"},
            {"url": format!("http://x.example/{}", mark("extension.url")), "valueString": mark("extension")},
        ],
        "identifier": {"system": format!("urn:{}", mark("identifier.system")), "value": mark("identifier.value")},
        "questionnaire": "http://x.example/Questionnaire/diary|1.0",
        "status": "completed",
        "authored": "1987-03-04T05:06:07.891+08:00",
        "author": {"display": mark("author.display")},
        "item": [
            {"linkId": "d-1", "text": mark("item.text"), "answer": [{"valueString": mark("an answer in words")}]},
            {"linkId": "d-2", "answer": [{"valueCoding": {"code": "LA6568-5", "display": mark("coding.display")}}]},
        ],
    })
}

/// What must be refused: (what, where, body). Each holds at least one mark beside those of [`diary`].
pub(super) fn refusals(marks: &mut Marks) -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let mut cases = Vec::new();
    let mut spoilt = |what, spoil: &dyn Fn(&mut Value, String)| {
        let mut resource = diary(marks);
        resource["identifier"]["value"] = json!(Uuid::now_v7());
        spoil(&mut resource, marks.make(what));
        cases.push((what, CREATE, resource.to_string().into_bytes()));
    };
    spoilt("FHIR: another type", &|it, mark| it["resourceType"] = json!(mark));
    spoilt("FHIR: an unknown element", &|it, mark| it[mark.as_str()] = json!(1));
    spoilt("FHIR: an unknown linkId", &|it, mark| it["item"][0]["linkId"] = json!(mark));
    spoilt("FHIR: a code outside its list", &|it, mark| {
        it["item"][1]["answer"][0]["valueCoding"]["code"] = json!(mark);
    });
    spoilt("FHIR: a modifier", &|it, mark| it["modifierExtension"] = json!([{"url": mark}]));
    spoilt("FHIR: a status", &|it, mark| it["status"] = json!(mark));
    spoilt("FHIR: a questionnaire", &|it, mark| {
        it["questionnaire"] = json!(format!("http://x.example/{mark}|1"))
    });
    spoilt("FHIR: another patient", &|it, mark| {
        it["subject"] = json!({"reference": format!("Patient/{}", &mark[..40.min(mark.len())])});
    });
    spoilt("FHIR: a time", &|it, mark| it["authored"] = json!(mark));
    cases.push(("no FHIR", CREATE, format!("patient={}", marks.make("no FHIR")).into_bytes()));
    let entry = json!({"resource": {"resourceType": marks.make("a type in a transaction")}});
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry.clone(), entry]});
    cases.push(("a transaction", BUNDLE, bundle.to_string().into_bytes()));
    cases
}
