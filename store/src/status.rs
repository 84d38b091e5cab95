//! Where a submission stands.

use crate::dead_letters::Class;
use crate::error::StoreError;
use crate::pool::Store;
use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

/// On whose behalf the question is asked: an answer never says more than they may see.
#[derive(Debug, Clone)]
pub enum Access {
    /// The patient, by pseudonym: sees only what came from the same subject of the same study.
    Subject(Uuid),
    /// Staff: sees what belongs to one of these studies and one of these sites.
    Sites {
        /// Study ids.
        studies: Vec<String>,
        /// Site ids.
        sites: Vec<String>,
    },
}

/// Where a submission stands.
#[derive(Debug, Clone, Serialize)]
pub struct SubmissionStatus {
    /// The id that was asked for.
    pub submission_id: Uuid,
    /// Stored, or only set aside.
    pub status: Standing,
    /// Its study, where it is known.
    pub study_id: Option<String>,
    /// Its site, where it is known.
    pub site_id: Option<String>,
    /// Its instrument as `id|version`, where it is known.
    pub instrument: Option<String>,
    /// When intake received it, where it is known.
    #[serde(with = "time::serde::rfc3339::option")]
    pub received_at: Option<OffsetDateTime>,
    /// When it was stored.
    #[serde(with = "time::serde::rfc3339::option")]
    pub stored_at: Option<OffsetDateTime>,
    /// Whether it was late.
    pub late: bool,
    /// The submission that it replaces.
    pub amends: Option<Uuid>,
    /// The submission that replaces it.
    pub amended_by: Option<Uuid>,
    /// Its alerts.
    pub alerts: Vec<AlertStatus>,
    /// Its way to the hospital, if it has one.
    pub hospital: Option<DeliveryStatus>,
    /// Copies of it that were set aside, the newest first.
    pub set_aside: Vec<SetAsideStatus>,
}

/// The short answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Its rows are committed.
    Stored,
    /// Nothing of it is stored; the reason is in `set_aside`.
    Rejected,
}

/// An alert of a submission.
#[derive(Debug, Clone, Serialize)]
pub struct AlertStatus {
    /// The alert's id.
    pub alert_id: Uuid,
    /// The alert rule's id.
    pub rule: String,
    /// The severity's name.
    pub severity: String,
    /// `queued`, `unsent` or `done`.
    pub state: String,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// A submission's way to its hospital.
#[derive(Debug, Clone, Serialize)]
pub struct DeliveryStatus {
    /// The hospital's site id.
    pub site_id: String,
    /// `queued`, `unsent` or `done`.
    pub state: String,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// A copy of a submission that was set aside.
#[derive(Debug, Clone, Serialize)]
pub struct SetAsideStatus {
    /// Why.
    pub class: Class,
    /// The rule that it breaks; never a value.
    pub detail: Option<String>,
    /// When last.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

impl Store {
    /// Where a submission stands, as far as `access` may see; `None` if nothing of it is here (it
    /// may still be queued). Where several subjects used the same id, staff see the one stored last.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn submission_status(
        &self,
        submission_id: Uuid,
        access: &Access,
    ) -> Result<Option<SubmissionStatus>, StoreError> {
        let _ = (submission_id, access);
        unimplemented!()
    }
}
