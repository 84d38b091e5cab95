//! The same intake in FHIR R4: a QuestionnaireResponse in, an OperationOutcome for whatever goes wrong.

pub(crate) mod batch;
pub(crate) mod create;
mod identified;
mod incoming;
pub(crate) mod metadata;
mod negotiate;
mod outcome;
mod prefer;
pub(crate) mod read;
mod resource;
mod stored;

pub(crate) use outcome::{is_spoken, retold};

/// What FHIR bodies are called; clients write all of them.
const TYPES: [&str; 3] = ["application/fhir+json", "application/json", "application/json+fhir"];
/// What ours are called.
const TYPE: &str = "application/fhir+json";

/// Where a response is read back.
fn location(submission_id: uuid::Uuid) -> String {
    format!("/fhir/R4/QuestionnaireResponse/{submission_id}")
}
