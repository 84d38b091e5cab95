//! JSON Schemas of what crosses a boundary, for those who write the other side.
//!
//! The files in `schemas/json/` are these, and a test holds them to it.

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};

use crate::alert::{Acknowledgement, AlertMessage, DeliveryMessage, RiskMessage};
use crate::audit_note::AuditNote;
use crate::export::{ExportCancel, ExportRequest};
use crate::instrument::definition::Definition;
use crate::submission::{
    MAX_ANSWERS, MAX_CHOICES, MAX_CODE, MAX_NAME, MAX_REASON, MAX_STATED, MAX_SUBJECT, MAX_TEXT, Submission,
};
use crate::violation::Violation;

/// Every schema by the name of its file, without `.json`.
#[must_use]
pub fn all() -> Vec<(&'static str, Schema)> {
    let generator = || SchemaSettings::draft2020_12().into_generator();
    vec![
        ("submission", generator().into_root_schema_for::<Submission>()),
        ("violation", generator().into_root_schema_for::<Violation>()),
        ("alert", generator().into_root_schema_for::<AlertMessage>()),
        ("acknowledgement", generator().into_root_schema_for::<Acknowledgement>()),
        ("delivery", generator().into_root_schema_for::<DeliveryMessage>()),
        ("risk", generator().into_root_schema_for::<RiskMessage>()),
        ("audit-note", generator().into_root_schema_for::<AuditNote>()),
        ("export-request", generator().into_root_schema_for::<ExportRequest>()),
        ("export-cancel", generator().into_root_schema_for::<ExportCancel>()),
        ("instrument", generator().into_root_schema_for::<Definition>()),
    ]
}

/// By hand, as the parser is; a test holds keys and bounds of both together.
impl JsonSchema for Submission {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Submission".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let choice = generator.subschema_for::<Choice>();
        let uuid = || json_schema!({ "type": "string", "format": "uuid" });
        let name = json_schema!({ "type": "string", "pattern": format!("^[A-Za-z0-9._-]{{1,{MAX_NAME}}}$") });
        let reference = json_schema!({
            "type": "string",
            "pattern": format!("^[A-Za-z0-9._-]{{1,{MAX_NAME}}}\\|[A-Za-z0-9._-]{{1,{MAX_NAME}}}$"),
        });
        let time = |types: &[&str], says: &str| json_schema!({ "type": types, "format": "date-time", "description": says });
        json_schema!({
            "description": "One completed questionnaire. Keys that are not listed, and keys given twice, are refused.",
            "type": "object",
            "required": ["submission_id", "study_id", "site_id", "instrument", "answered_at", "answers"],
            "additionalProperties": false,
            "properties": {
                "submission_id": uuid(),
                "study_id": name,
                "site_id": name,
                "subject_id": {
                    "type": ["string", "null"], "minLength": 1, "maxLength": MAX_SUBJECT,
                    "description": "From an app backend only; otherwise the token says whose it is.",
                },
                "instrument": reference,
                "answered_at": time(&["string"], "RFC 3339 with the offset of the device."),
                "sent_at": time(&["string", "null"], "RFC 3339 with an offset; may differ from try to try."),
                "answers": {
                    "description": "By linkId. null is the same as leaving the item out.",
                    "type": "object", "minProperties": 1, "maxProperties": MAX_ANSWERS,
                    "propertyNames": { "minLength": 1, "maxLength": MAX_NAME },
                    "additionalProperties": { "anyOf": [
                        choice,
                        { "type": "array", "items": choice, "minItems": 1, "maxItems": MAX_CHOICES },
                        { "type": "null" },
                    ] },
                },
                "stated": {
                    "description": "Totals that the client states, by id of the score.",
                    "type": ["object", "null"], "maxProperties": MAX_STATED,
                    "additionalProperties": { "type": "number" },
                },
                "amends": {
                    "type": ["string", "null"], "format": "uuid",
                    "description": "The submission that this one replaces; goes with a reason.",
                },
                "reason": {
                    "type": ["string", "null"], "minLength": 1, "maxLength": MAX_REASON,
                    "description": "Why; required with amends, and only there.",
                },
            },
        })
    }
}

/// What one answer may be, for the generator only.
struct Choice;

impl JsonSchema for Choice {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Choice".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number; true or false; a code or text; a code with its system.",
            "anyOf": [
                { "type": ["number", "boolean"] },
                { "type": "string", "maxLength": MAX_TEXT },
                {
                    "type": "object", "additionalProperties": false, "required": ["code"],
                    "properties": {
                        "system": { "type": ["string", "null"], "maxLength": MAX_CODE },
                        "code": { "type": "string", "maxLength": MAX_CODE },
                    },
                },
            ],
        })
    }
}
