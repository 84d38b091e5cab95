//! What the door did that leaves no submission behind: requests that it refused,
//! and questions about submissions that it answered.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

/// The body, as JSON, of an `epro.audit.v1` message: the same event, `count`
/// times. It names nobody: a token's `sub` only as a pseudonym.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditNote {
    /// What was asked: `submission.submit`, `submission.submit_batch`, `submission.read`, `submission.read_identified`,
    /// `report.request`, `report.read`, or `request` where no route was reached or too many refusals were told apart.
    pub action: String,
    /// How it ended: `ok` or `refused`.
    pub outcome: String,
    /// The route as it is documented, `/api/v1/epro/submissions/{id}`; `*` where too many refusals were told apart.
    pub route: String,
    /// The HTTP status.
    pub status: u16,
    /// The kind of problem, `token_expired`; `ok` without one.
    pub class: String,
    /// The client application, if its name is a configured one; otherwise `other`.
    pub client: Option<String>,
    /// Pseudonym of the token's `sub`, if a token was believed.
    pub actor: Option<Uuid>,
    /// The submission that was asked about, if there was one.
    pub submission_id: Option<Uuid>,
    /// The report that was asked about, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_id: Option<Uuid>,
    /// The export that was asked for, read or fetched, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export_id: Option<Uuid>,
    /// The networks that it came from, the first few of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<String>,
    /// Whether it came from further networks.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub further_networks: bool,
    /// The W3C trace id that the first of them was sent with, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// How often.
    pub count: u64,
    /// When first.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String")]
    pub first: OffsetDateTime,
    /// When last.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String")]
    pub last: OffsetDateTime,
}
