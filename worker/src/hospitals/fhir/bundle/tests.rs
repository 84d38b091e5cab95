//! Against resources written by hand after <http://hl7.org/fhir/R4/>.

use serde_json::{Value, json};

use super::transaction;
use crate::hospitals::document::sample::Sample;

const SUBJECT: &str =
    r#"{"type": "Patient", "identifier": {"system": "urn:epro:study:ONC-301", "value": "P-0001"}}"#;

fn coding(code: &str, display: &str, score: u8) -> Value {
    json!({"valueCoding": {
        "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/ordinalValue", "valueDecimal": score}],
        "system": "http://loinc.org", "code": code, "display": display,
    }})
}

#[test]
fn a_phq_9_is_a_response_and_its_total_each_created_unless_it_is_there() {
    let subject: Value = serde_json::from_str(SUBJECT).unwrap();
    let sample = Sample::phq9(&[1, 0], false);
    let bundle = transaction(&sample.document(), "https://forms.example/Questionnaire/");
    let expected = json!({
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": "urn:uuid:6f0a1b2c-3d4e-8f50-a1b2-c3d4e5f60718",
                "request": {
                    "method": "POST",
                    "url": "QuestionnaireResponse",
                    "ifNoneExist": "identifier=urn:ietf:rfc:3986|urn:uuid:6f0a1b2c-3d4e-8f50-a1b2-c3d4e5f60718",
                },
                "resource": {
                    "resourceType": "QuestionnaireResponse",
                    "identifier": {
                        "system": "urn:ietf:rfc:3986",
                        "value": "urn:uuid:6f0a1b2c-3d4e-8f50-a1b2-c3d4e5f60718",
                    },
                    "questionnaire": "https://forms.example/Questionnaire/phq-9|1.0",
                    "status": "completed",
                    "subject": subject,
                    "authored": "2026-11-23T20:03:11+08:00",
                    "author": subject,
                    "source": subject,
                    "item": [
                        {
                            "linkId": "44250-9",
                            "text": "Little interest or pleasure in doing things",
                            "answer": [coding("LA6569-3", "Several days", 1)],
                        },
                        {
                            "linkId": "44255-8",
                            "text": "Feeling down, depressed, or hopeless",
                            "answer": [coding("LA6568-5", "Not at all", 0)],
                        },
                    ],
                },
            },
            {
                "fullUrl": "urn:uuid:4ab71e97-f178-86d4-970c-9988d20c9889",
                "request": {
                    "method": "POST",
                    "url": "Observation",
                    "ifNoneExist": "identifier=urn:ietf:rfc:3986|urn:uuid:4ab71e97-f178-86d4-970c-9988d20c9889",
                },
                "resource": {
                    "resourceType": "Observation",
                    "identifier": [{
                        "system": "urn:ietf:rfc:3986",
                        "value": "urn:uuid:4ab71e97-f178-86d4-970c-9988d20c9889",
                    }],
                    "status": "final",
                    "category": [{"coding": [{
                        "system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "survey",
                    }]}],
                    "code": {
                        "coding": [{"system": "http://loinc.org", "code": "44261-6"}],
                        "text": "Patient Health Questionnaire (PHQ-9) total",
                    },
                    "subject": subject,
                    "effectiveDateTime": "2026-11-23T20:03:11+08:00",
                    "performer": [subject],
                    "derivedFrom": [{"reference": "urn:uuid:6f0a1b2c-3d4e-8f50-a1b2-c3d4e5f60718"}],
                    "dataAbsentReason": {"coding": [{
                        "system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "unknown",
                    }]},
                },
            },
        ],
    });
    assert_eq!(bundle, expected);
}

#[test]
fn a_total_is_a_quantity_with_its_band() {
    let sample = Sample::phq9(&[2, 2, 2, 2, 1, 1, 2, 0, 0], false);
    let total = &transaction(&sample.document(), "urn:x:")["entry"][1]["resource"];
    assert_eq!(
        total["valueQuantity"],
        json!({"value": 12, "unit": "{score}", "system": "http://unitsofmeasure.org", "code": "{score}"})
    );
    assert_eq!(total["interpretation"], json!([{"text": "moderate"}]));
    assert_eq!(total.get("dataAbsentReason"), None);
}

#[test]
fn a_later_version_replaces_the_same_resources_as_amended() {
    let first = Sample::phq9(&[2, 2, 2, 2, 1, 1, 2, 0, 0], false);
    let later = Sample::phq9(&[3, 2, 2, 2, 1, 1, 2, 0, 0], true);
    let mut root = first.document();
    root.id = crate::hospitals::document::sample::ROOT;
    root.root = root.id;
    let (first, later) = (transaction(&root, "urn:x:"), transaction(&later.document(), "urn:x:"));
    for (n, kind) in ["QuestionnaireResponse", "Observation"].into_iter().enumerate() {
        let (first, later) = (&first["entry"][n], &later["entry"][n]);
        assert_eq!(
            later["resource"]["identifier"], first["resource"]["identifier"],
            "one resource in every version"
        );
        assert_eq!(later["resource"]["status"], "amended");
        let search = first["request"]["ifNoneExist"].as_str().unwrap();
        assert_eq!(later["request"], json!({"method": "PUT", "url": format!("{kind}?{search}")}));
    }
    assert_eq!(later["entry"][1]["resource"]["valueQuantity"]["value"], 13);
}

#[test]
fn every_kind_of_answer_has_its_type() {
    let answers = json!({
        "72514-3": 7, "slept": false, "temperature": 38.5, "note": "Łzy \"co noc\" – 😢\n2. Zeile",
        "symptoms": ["422587007", "25064002"],
    });
    let sample = Sample::of("diary|2", &answers, false);
    let bundle = transaction(&sample.document(), "urn:x:");
    let snomed = |code: &str, display: &str| json!({"valueCoding": {"system": "http://snomed.info/sct", "code": code, "display": display}});
    assert_eq!(
        bundle["entry"][0]["resource"]["item"],
        json!([
            {"linkId": "note", "text": "What else?", "answer": [{"valueString": "Łzy \"co noc\" – 😢\n2. Zeile"}]},
            {"linkId": "symptoms", "answer": [snomed("25064002", "Headache | head"), snomed("422587007", "Nausea")]},
            {"linkId": "temperature", "answer": [{"valueDecimal": 38.5}]},
            {"linkId": "slept", "answer": [{"valueBoolean": false}]},
            {"linkId": "72514-3", "answer": [{"valueInteger": 7}]},
        ])
    );
    let pain = &bundle["entry"][1]["resource"];
    assert_eq!(pain["code"]["coding"], json!([{"system": "urn:epro:score:diary", "code": "pain"}]));
    assert_eq!(pain["valueQuantity"]["value"], 7);
}
