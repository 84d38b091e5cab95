//! The routes that speak FHIR. What a resource looks like is FHIR's to say.

use schemars::SchemaGenerator;
use serde_json::{Value, json};

use super::refusals;
use crate::batch::{MAX_BATCH_BYTES, MAX_ITEMS};
use crate::router::Route;
use epro_schemas::submission::MAX_BYTES;

pub(super) const TYPE: &str = "application/fhir+json";

const CREATE: &str = "A completed or amended QuestionnaireResponse, at most {KIB} KiB. identifier names the \
submission: a UUID (bare or urn:uuid:) is its id, from anything else an id is made. questionnaire is a canonical URL \
with version, whose last part is the instrument: …/Questionnaire/phq-9|1.0. authored has a time \
and an offset. subject may be left out by a patient. Study and site are the token's; where it has several, the \
extensions urn:epro-relay:study and urn:epro-relay:site (valueString) say which. An amended response has the \
extensions urn:epro-relay:amends (valueIdentifier or valueReference: the base) and urn:epro-relay:reason \
(valueString). Items are found by linkId at any depth, a code by itself or with its system, never by its display; an \
answer under the code of a score is a stated total. If-None-Exist may name the resource's own identifier, which \
is what always holds. Prefer: return=minimal, representation or OperationOutcome. Scope: submit or submit:any.";

pub(super) fn create(schemas: &mut SchemaGenerator) -> Value {
    let mut responses = refusals(schemas, Route::FhirCreate);
    let stored = |description: &str| {
        json!({
            "description": description,
            "content": resource("QuestionnaireResponse"),
            "headers": {"Location": text("Where it is read back."), "ETag": text("W/\"1\"; another one for the form with its patient."), "Last-Modified": text("When it was stored.")},
        })
    };
    responses.insert("201".into(), stored("It is stored."));
    responses.insert("200".into(), stored("The same was stored before; nothing changed."));
    let mut received = json!({"description": "The broker has it, safely; it was not stored within 2 s.", "content": resource("OperationOutcome")});
    received["headers"] = json!({"Location": text("Where it stands is told there.")});
    responses.insert("202".into(), received);
    json!({
        "operationId": "fhirCreate",
        "summary": "Submit one QuestionnaireResponse of FHIR R4",
        "description": CREATE.replace("{KIB}", &(MAX_BYTES / 1024).to_string()),
        "requestBody": {"required": true, "content": {TYPE: {"schema": object("QuestionnaireResponse"), "example": example()}}},
        "responses": responses,
    })
}

pub(super) fn batch(schemas: &mut SchemaGenerator) -> Value {
    let mut responses = refusals(schemas, Route::FhirBatch);
    let outcome =
        "A batch-response: for each entry, in order, a status, and a location or an OperationOutcome.";
    responses.insert("200".into(), json!({"description": outcome, "content": resource("Bundle")}));
    json!({
        "operationId": "fhirBatch",
        "summary": "Submit many QuestionnaireResponses in a Bundle of type batch",
        "description": format!(
            "At most {MAX_ITEMS} entries, {} MiB in all, each POST to QuestionnaireResponse. A transaction of several \
             entries is refused. If nothing can be accepted now, the whole is answered 503.",
            MAX_BATCH_BYTES / 1024 / 1024
        ),
        "requestBody": {"required": true, "content": resource("Bundle")},
        "responses": responses,
    })
}

pub(super) fn read(schemas: &mut SchemaGenerator) -> Value {
    let mut responses = refusals(schemas, Route::FhirRead);
    let found = "Its coded and numeric answers, without subject and free text; with scope read:identified, all of it.";
    responses
        .insert("304".into(), json!({"description": "If-None-Match names its ETag: the client has it."}));
    responses
        .insert("200".into(), json!({"description": found, "content": resource("QuestionnaireResponse")}));
    json!({
        "operationId": "fhirRead",
        "summary": "Read a stored response",
        "description": "For whom the status of the submission is. A study under Safe Harbor has years only. 404 after \
            a 202 means that it is still queued.",
        "parameters": [{
            "name": "id", "in": "path", "required": true, "description": "The submission's id.",
            "schema": {"type": "string", "format": "uuid"},
        }],
        "responses": responses,
    })
}

/// Content of one type of resource.
pub(super) fn resource(name: &str) -> Value {
    json!({TYPE: {"schema": object(name)}})
}

fn object(name: &str) -> Value {
    json!({"type": "object", "description": format!("A {name} of FHIR R4.")})
}

fn text(description: &str) -> Value {
    json!({"description": description, "schema": {"type": "string"}})
}

/// A response that is accepted, given a token for one study and one site.
fn example() -> Value {
    let item =
        |link_id: &str, code: &str| json!({"linkId": link_id, "answer": [{"valueCoding": {"code": code}}]});
    json!({
        "resourceType": "QuestionnaireResponse",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:uuid:0198f2a4-5b7e-7c31-9d42-6f0a1b2c3d4e"},
        "questionnaire": "Questionnaire/phq-9|1.0",
        "status": "completed",
        "authored": "2026-11-23T20:03:11+08:00",
        "item": [item("44250-9", "LA6569-3"), item("44255-8", "LA6569-3"), item("44260-8", "LA6568-5")],
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_example_is_a_response() {
        assert!(epro_schemas::fhir::Response::parse(super::example().to_string().as_bytes()).is_ok());
    }
}
