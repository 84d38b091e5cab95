//! A comprehensive report: what a hospital knows of a patient, fetched under one deadline.
//!
//! A [`Request`] at the door becomes a sealed [`Job`] in the hospital's query queue, and that a [`Report`].

mod job;
mod request;

pub use job::Job;
pub use request::Request;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use uuid::Uuid;

/// What a hospital is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// Observations of category `vital-signs`.
    Vitals,
    /// MedicationRequests and MedicationStatements.
    Medication,
    /// DiagnosticReports and Observations of the laboratory.
    Laboratory,
}

/// Why something is not in a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It was asked for, and the answer was not whole before the deadline: the call was cancelled.
    Late,
    /// The deadline came before a call could be made.
    NotStarted,
    /// The hospital is not called now: it failed too often, asked for a rest, or its lease changed hands.
    HospitalClosed,
    /// The hospital refuses the question.
    Refused,
    /// The hospital could not answer: no connection, no answer within its timeout, an error of its own.
    Failed,
    /// What it answered is no search result in FHIR R4.
    Unusable,
    /// The answer goes on at another address than the hospital's.
    Elsewhere,
    /// The answer has more pages than are read.
    TooManyPages,
    /// The answer is larger than what is read.
    TooLarge,
    /// The answer speaks of more than one patient.
    Ambiguous,
    /// The hospital can't be asked: it speaks HL7 v2.
    NotSupported,
}

/// Something that is not in a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Missing {
    /// What.
    pub service: Service,
    /// Why.
    pub reason: Reason,
}

/// A finished report. A service is in it whole, or it is named in `missing`.
#[derive(Serialize, JsonSchema)]
pub struct Report {
    /// Names the report.
    pub report_id: Uuid,
    /// Always `done`.
    pub status: &'static str,
    /// The study in which the patient is known.
    pub study_id: String,
    /// The site whose hospital was asked.
    pub site_id: String,
    /// The patient.
    pub subject_id: String,
    /// When it was asked for.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String")]
    pub requested_at: OffsetDateTime,
    /// By when it had to be there.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String")]
    pub deadline: OffsetDateTime,
    /// When the last answer was in.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String")]
    pub collected_at: OffsetDateTime,
    /// When it is deleted.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String")]
    pub expires_at: OffsetDateTime,
    /// Whether nothing is missing.
    pub complete: bool,
    /// What is missing, and why.
    pub missing: Vec<Missing>,
    /// FHIR R4 resources, byte for byte as the hospital sent them: a decimal keeps its digits.
    #[schemars(with = "Vec<serde_json::Value>")]
    pub vitals: Vec<Box<RawValue>>,
    /// The same.
    #[schemars(with = "Vec<serde_json::Value>")]
    pub medication: Vec<Box<RawValue>>,
    /// The same.
    #[schemars(with = "Vec<serde_json::Value>")]
    pub laboratory: Vec<Box<RawValue>>,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Vitals, Self::Medication, Self::Laboratory];

    /// Its name in reports and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Vitals => "vitals",
            Self::Medication => "medication",
            Self::Laboratory => "laboratory",
        }
    }
}

impl Reason {
    /// Its name in reports, metrics and the audit trail.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::NotStarted => "not_started",
            Self::HospitalClosed => "hospital_closed",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Unusable => "unusable",
            Self::Elsewhere => "elsewhere",
            Self::TooManyPages => "too_many_pages",
            Self::TooLarge => "too_large",
            Self::Ambiguous => "ambiguous",
            Self::NotSupported => "not_supported",
        }
    }
}
