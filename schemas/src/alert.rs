//! Bodies of the messages that follow a stored submission. They carry ids
//! only; their lanes load the rest.

use aws_lc_rs::digest::{Context, SHA256};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::instrument::alert_rule::Severity;

/// Names one alert. The same finding in the same submission has the same id,
/// however often it is found.
pub type AlertId = Uuid;

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

fn id_of(what: &[u8], parts: &[&[u8]]) -> Uuid {
    let mut hash = Context::new(&SHA256);
    hash.update(what);
    for part in parts {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    crate::pseudonym::uuid_of(hash.finish().as_ref())
}
