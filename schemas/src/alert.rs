//! Bodies of the messages that follow a stored submission. They carry ids
//! only; their lanes load the rest.

use aws_lc_rs::digest::{Context, SHA256};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::instrument::alert_rule::Severity;

/// Names one alert. The same finding in the same submission has the same id,
/// however often it is found.
pub type AlertId = Uuid;

/// The rule of an alert that a study's risk model raises, and no instrument.
pub const RISK_RULE: &str = "risk";

/// Body of an [`crate::kind::ALERT`] message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlertMessage {
    /// See [`alert_id`].
    pub alert_id: AlertId,
    /// The submission that alerts.
    pub submission_id: Uuid,
    /// The site whose investigators are told.
    pub site_id: String,
    /// The study.
    pub study_id: String,
    /// Id of the instrument's alert rule.
    pub rule: String,
    /// How much it matters.
    pub severity: Severity,
    /// When intake received the submission, as far as it is known.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub received_at: Option<OffsetDateTime>,
    /// Who was told already, while nothing could be written down: as `channel:recipient`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<String>,
}

/// Body of an [`crate::kind::ACKNOWLEDGEMENT`] message: somebody has an alert in hand. What their token allows
/// travels with it: the worker checks it against the alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Acknowledgement {
    /// The alert.
    pub alert_id: AlertId,
    /// Pseudonym of the token's `sub`.
    pub actor: Uuid,
    /// The client application, if its name is a configured one; otherwise `other`.
    pub client: Option<String>,
    /// The network that the request came from: /24 of IPv4, /48 of IPv6.
    pub from_network: Option<String>,
    /// The studies that the token is for.
    pub studies: Vec<String>,
    /// The sites that the token is for.
    pub sites: Vec<String>,
    /// When the door took it.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String")]
    pub at: OffsetDateTime,
    /// The W3C trace id of the request.
    pub trace_id: Option<String>,
}

/// Body of an [`crate::kind::DELIVERY`] message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeliveryMessage {
    /// The submission to bring to the hospital.
    pub submission_id: Uuid,
    /// Together with the submission id it names the row.
    pub pseudonym: Uuid,
    /// The site that the hospital belongs to.
    pub site_id: String,
    /// A message of an older generation than its row's is acked without effect.
    pub generation: i32,
}

/// Body of an [`crate::kind::RISK`] message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RiskMessage {
    /// The submission to ask the study's risk model about.
    pub submission_id: Uuid,
    /// Together with the submission id it names the row.
    pub pseudonym: Uuid,
    /// The study that the model belongs to.
    pub study_id: String,
}

/// The id of one notice: the same however often it is sent, so that a repeat can be told by whoever gets it
/// (the Message-ID of a mail, the idempotency key of a text message). A UUID of version 8.
#[must_use]
pub fn notice_id(alert: AlertId, channel: &str, recipient: &str) -> Uuid {
    let mut hash = Context::new(&SHA256);
    hash.update(b"epro.notice-id.v1");
    for part in [alert.as_bytes().as_slice(), channel.as_bytes(), recipient.as_bytes()] {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    crate::pseudonym::uuid_of(hash.finish().as_ref())
}

/// The id of what `rule` found in a submission: the same for the same
/// arguments, different for any other, as a UUID of version 8.
#[must_use]
pub fn alert_id(study: &str, pseudonym: Uuid, submission_id: Uuid, rule: &str) -> AlertId {
    let parts = [study.as_bytes(), pseudonym.as_bytes(), submission_id.as_bytes(), rule.as_bytes()];
    id_of(b"epro.alert-id.v1", &parts)
}

/// The id under which a hospital gets a submission: the same for the same arguments, however often it is sent,
/// different for any other, as a UUID of version 8.
#[must_use]
pub fn delivery_id(study: &str, pseudonym: Uuid, submission_id: Uuid) -> Uuid {
    id_of(b"epro.delivery-id.v1", &[study.as_bytes(), pseudonym.as_bytes(), submission_id.as_bytes()])
}

/// The id under which a risk model is asked about a submission: as [`delivery_id`], and another than that, so that
/// nobody can tell by it which submission it was.
#[must_use]
pub fn question_id(study: &str, pseudonym: Uuid, submission_id: Uuid) -> Uuid {
    id_of(b"epro.question-id.v1", &[study.as_bytes(), pseudonym.as_bytes(), submission_id.as_bytes()])
}

fn id_of(what: &[u8], parts: &[&[u8]]) -> Uuid {
    let mut hash = Context::new(&SHA256);
    hash.update(what);
    for part in parts {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    crate::pseudonym::uuid_of(hash.finish().as_ref())
}
