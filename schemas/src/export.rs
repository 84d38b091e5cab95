//! Bodies of the messages about bulk exports.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

/// What the files of an export are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A line a response, RFC 4180.
    Csv,
    /// A FHIR R4 QuestionnaireResponse a line.
    Ndjson,
    /// Zip files of the bytes that were received.
    Documents,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Csv, Self::Ndjson, Self::Documents];

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
            Self::Documents => "documents",
        }
    }

    /// The format of that word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == word)
    }
}

/// Body of an [`crate::kind::EXPORT`] message. What is asked for was checked against the token; who asked goes
/// into the audit trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExportRequest {
    /// Made by the door; names the export in its status URL.
    pub export_id: Uuid,
    /// The studies whose responses are wanted, at least one.
    pub study_ids: Vec<String>,
    /// The site whose responses are wanted.
    pub site_id: String,
    /// As `id|version`; none: every instrument.
    pub instruments: Vec<String>,
    /// Answered at this time or later.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String")]
    pub from: OffsetDateTime,
    /// Answered before this time.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String")]
    pub to: OffsetDateTime,
    /// What the files are.
    pub format: Format,
    /// With what identifies patients.
    pub identified: bool,
    /// PostgreSQL's snapshot at the request: what is stored later is not in it.
    pub snapshot: String,
    /// Pseudonym of the token's `sub`.
    pub actor: Uuid,
    /// The client application, if its name is a configured one; otherwise `other`.
    pub client: Option<String>,
    /// The network that the request came from: /24 of IPv4, /48 of IPv6.
    pub from_network: Option<String>,
    /// When the door took it.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String")]
    pub at: OffsetDateTime,
    /// The W3C trace id of the request.
    pub trace_id: Option<String>,
}

/// Body of an [`crate::kind::EXPORT_CANCEL`] message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExportCancel {
    /// The export.
    pub export_id: Uuid,
    /// Pseudonym of the token's `sub`.
    pub actor: Uuid,
    /// The client application, if its name is a configured one; otherwise `other`.
    pub client: Option<String>,
    /// The network that the request came from: /24 of IPv4, /48 of IPv6.
    pub from_network: Option<String>,
    /// The W3C trace id of the request.
    pub trace_id: Option<String>,
}
