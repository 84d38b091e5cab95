//! The answer to "where does it stand", as documented.

use epro_store::status::{
    AlertStatus, DeliveryStatus, RiskStatus, SetAsideStatus, Standing, SubmissionStatus,
};
use schemars::JsonSchema;
use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

/// Where a submission stands, each step with its time.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SubmissionStatus")]
pub(crate) struct Answer {
    /// The id that was asked for.
    submission_id: Uuid,
    /// `stored`, or `rejected` when nothing of it is stored; the reason is in `set_aside`.
    status: &'static str,
    /// Its study, where it is known.
    study_id: Option<String>,
    /// Its site, where it is known.
    site_id: Option<String>,
    /// Its instrument as `id|version`, where it is known.
    instrument: Option<String>,
    /// When it was received.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    received_at: Option<OffsetDateTime>,
    /// When it was stored.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    stored_at: Option<OffsetDateTime>,
    /// Whether it was answered long before it came.
    late: bool,
    /// The submission that it replaces.
    amends: Option<Uuid>,
    /// The submission that replaces it.
    amended_by: Option<Uuid>,
    /// Its alerts.
    alerts: Vec<Alert>,
    /// Its way to the hospital, if it has one.
    hospital: Option<Hospital>,
    /// Its way to the study's risk model, if there is one.
    risk: Option<Risk>,
    /// Copies of it that were set aside, the newest first.
    set_aside: Vec<SetAside>,
}

/// An alert of a submission.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AlertStatus")]
struct Alert {
    /// The alert's id.
    alert_id: Uuid,
    /// The alert rule.
    rule: String,
    /// How much it matters.
    severity: String,
    /// `queued` and `unsent`: somebody still has to acknowledge it; `done`.
    state: String,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    at: OffsetDateTime,
    /// When somebody said that they have it in hand.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    acknowledged_at: Option<OffsetDateTime>,
    /// The alert of an earlier version that it says again.
    repeats: Option<Uuid>,
    /// The amendment that no longer gives its answer.
    withdrawn_by: Option<Uuid>,
}

/// A submission's way to its hospital.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "HospitalStatus")]
struct Hospital {
    /// The hospital's site.
    site_id: String,
    /// `queued`, `unsent`, `waits` (a call failed and is tried again), `done`, `superseded` (a newer
    /// version goes in its place) or `set_aside`.
    state: String,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    at: OffsetDateTime,
    /// Tries that failed although the hospital took others.
    attempts: i32,
    /// What became of the last call: `taken`, `refused`, `denied`, `busy` or `silent`.
    last_outcome: Option<String>,
    /// What the hospital answered: status, codes and places, never its words.
    last_answer: Option<String>,
    /// When it did.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    last_at: Option<OffsetDateTime>,
}

/// A submission's way to its study's risk model.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RiskStatus")]
struct Risk {
    /// `queued`, `unsent`, `waits` (asked again later), `done` or `set_aside`.
    state: String,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    at: OffsetDateTime,
}

/// A copy that was set aside.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SetAsideStatus")]
struct SetAside {
    /// Why, as `conflict` or `stale`.
    class: &'static str,
    /// The rule that it breaks; never a value.
    detail: Option<String>,
    /// When last.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    at: OffsetDateTime,
}

impl From<SubmissionStatus> for Answer {
    fn from(found: SubmissionStatus) -> Self {
        Self {
            submission_id: found.submission_id,
            status: match found.status {
                Standing::Stored => "stored",
                Standing::Rejected => "rejected",
            },
            study_id: found.study_id,
            site_id: found.site_id,
            instrument: found.instrument,
            received_at: found.received_at,
            stored_at: found.stored_at,
            late: found.late,
            amends: found.amends,
            amended_by: found.amended_by,
            alerts: found.alerts.into_iter().map(Alert::from).collect(),
            hospital: found.hospital.map(Hospital::from),
            risk: found.risk.map(Risk::from),
            set_aside: found.set_aside.into_iter().map(SetAside::from).collect(),
        }
    }
}

impl From<AlertStatus> for Alert {
    fn from(found: AlertStatus) -> Self {
        let AlertStatus { alert_id, rule, severity, state, at, acknowledged_at, repeats, withdrawn_by } =
            found;
        Self { alert_id, rule, severity, state, at, acknowledged_at, repeats, withdrawn_by }
    }
}

impl From<DeliveryStatus> for Hospital {
    fn from(found: DeliveryStatus) -> Self {
        let DeliveryStatus { site_id, state, at, attempts, last_outcome, last_answer, last_at } = found;
        Self { site_id, state, at, attempts, last_outcome, last_answer, last_at }
    }
}

impl From<RiskStatus> for Risk {
    fn from(found: RiskStatus) -> Self {
        let RiskStatus { state, at } = found;
        Self { state, at }
    }
}

impl From<SetAsideStatus> for SetAside {
    fn from(found: SetAsideStatus) -> Self {
        Self { class: found.class.as_str(), detail: found.detail, at: found.at }
    }
}
