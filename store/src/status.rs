//! Where a submission stands.

use crate::dead_letters::Class;
use crate::error::StoreError;
use crate::pool::Store;
use crate::session::Session;
use crate::step::Step;
use serde::Serialize;
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

/// `$2` is the subject who asks, or null; `$3` and `$4` are the studies and sites of the staff who ask.
macro_rules! seen_by {
    () => {
        "($2::uuid IS NULL OR pseudonym = $2) \
         AND ($2 IS NOT NULL OR (study_id = ANY ($3::text[]) AND site_id = ANY ($4::text[])))"
    };
}

const STORED: &str = concat!(
    "SELECT s.pseudonym, s.study_id, s.site_id, s.instrument, s.received_at, s.stored_at, s.late, s.amends, ",
    "(SELECT n.submission_id FROM identified.submission n ",
    "WHERE n.amends = s.submission_id AND n.pseudonym = s.pseudonym LIMIT 1) AS amended_by ",
    "FROM identified.submission s WHERE s.submission_id = $1 AND ",
    seen_by!(),
    " ORDER BY s.stored_at DESC LIMIT 1"
);

const SET_ASIDE: &str = concat!(
    "SELECT pseudonym, study_id, site_id, instrument, received_at, class, detail, last_at ",
    "FROM ops.dead_letter WHERE submission_id = $1 AND state <> 'redriven' AND ",
    seen_by!(),
    " ORDER BY last_at DESC, id DESC LIMIT 100"
);

const ALERTS: &str = "\
SELECT alert_id, rule, severity, state, state_at, acknowledged_at, repeats, withdrawn_by FROM ops.alert \
WHERE submission_id = $1 AND pseudonym = $2 ORDER BY created_at, rule";

const DELIVERY: &str = "\
SELECT site_id, state, state_at, attempts, last_outcome, last_detail, last_at FROM ops.delivery \
WHERE submission_id = $1 AND pseudonym = $2";

const RISK: &str = "SELECT state, state_at FROM ops.risk WHERE submission_id = $1 AND pseudonym = $2";

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
    /// Its way to the study's risk model, if there is one.
    pub risk: Option<RiskStatus>,
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
    /// `queued` and `unsent`: somebody still has to acknowledge it; `done`.
    pub state: String,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// When somebody said that they have it in hand.
    #[serde(with = "time::serde::rfc3339::option")]
    pub acknowledged_at: Option<OffsetDateTime>,
    /// The alert of an earlier version that it says again.
    pub repeats: Option<Uuid>,
    /// The amendment that no longer gives its answer.
    pub withdrawn_by: Option<Uuid>,
}

/// A submission's way to its hospital.
#[derive(Debug, Clone, Serialize)]
pub struct DeliveryStatus {
    /// The hospital's site id.
    pub site_id: String,
    /// `queued`, `unsent`, `waits` (a call failed), `done`, `superseded` (a newer version goes) or
    /// `set_aside`.
    pub state: String,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Charged tries.
    pub attempts: i32,
    /// What became of the last call: `taken`, `refused`, `denied`, `busy` or `silent`.
    pub last_outcome: Option<String>,
    /// What the hospital answered, redacted.
    pub last_answer: Option<String>,
    /// When.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_at: Option<OffsetDateTime>,
}

/// A submission's way to its study's risk model.
#[derive(Debug, Clone, Serialize)]
pub struct RiskStatus {
    /// `queued`, `unsent`, `waits` (the model is away, or its answer can't be used), `done` or `set_aside`.
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
        let session = Session::open(self).await?;
        let steps = vec![access.asking(STORED, submission_id), access.asking(SET_ASIDE, submission_id)];
        let answers = session.pipeline(steps, false).await?;
        let [stored, set_aside] = &answers[..] else {
            return Err(StoreError::internal());
        };
        // Of several subjects who used the same id, only one is told about: the stored one.
        let Some(first) = stored.first().or(set_aside.first()) else {
            session.done();
            return Ok(None);
        };
        let pseudonym: Option<Uuid> = first.try_get("pseudonym")?;
        let steps = vec![
            Step::new(ALERTS).with(submission_id).with(pseudonym),
            Step::new(DELIVERY).with(submission_id).with(pseudonym),
            Step::new(RISK).with(submission_id).with(pseudonym),
        ];
        let follow_ons = session.pipeline(steps, false).await?;
        session.done();
        let mut status = match stored.first() {
            Some(row) => SubmissionStatus::stored(submission_id, row)?,
            None => SubmissionStatus::rejected(submission_id, first)?,
        };
        for row in set_aside {
            if row.try_get::<_, Option<Uuid>>("pseudonym")? == pseudonym {
                status.set_aside.push(SetAsideStatus::of(row)?);
            }
        }
        let [alerts, delivery, risk] = &follow_ons[..] else {
            return Err(StoreError::internal());
        };
        status.alerts = alerts.iter().map(AlertStatus::of).collect::<Result<_, _>>()?;
        status.hospital = delivery.first().map(DeliveryStatus::of).transpose()?;
        status.risk = risk.first().map(RiskStatus::of).transpose()?;
        Ok(Some(status))
    }
}

impl Access {
    pub(crate) fn asking(&self, sql: &'static str, submission_id: Uuid) -> Step<'_> {
        let step = Step::new(sql).with(submission_id);
        match self {
            Self::Subject(pseudonym) => {
                step.with(Some(*pseudonym)).with(Vec::<String>::new()).with(Vec::<String>::new())
            }
            Self::Sites { studies, sites } => step.with(None::<Uuid>).with(studies).with(sites),
        }
    }
}

impl SubmissionStatus {
    fn stored(submission_id: Uuid, row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            status: Standing::Stored,
            stored_at: row.try_get("stored_at")?,
            late: row.try_get("late")?,
            amends: row.try_get("amends")?,
            amended_by: row.try_get("amended_by")?,
            ..Self::rejected(submission_id, row)?
        })
    }

    fn rejected(submission_id: Uuid, row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            submission_id,
            status: Standing::Rejected,
            study_id: row.try_get("study_id")?,
            site_id: row.try_get("site_id")?,
            instrument: row.try_get("instrument")?,
            received_at: row.try_get("received_at")?,
            stored_at: None,
            late: false,
            amends: None,
            amended_by: None,
            alerts: Vec::new(),
            hospital: None,
            risk: None,
            set_aside: Vec::new(),
        })
    }
}

impl AlertStatus {
    fn of(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            alert_id: row.try_get("alert_id")?,
            rule: row.try_get("rule")?,
            severity: row.try_get("severity")?,
            state: row.try_get("state")?,
            at: row.try_get("state_at")?,
            acknowledged_at: row.try_get("acknowledged_at")?,
            repeats: row.try_get("repeats")?,
            withdrawn_by: row.try_get("withdrawn_by")?,
        })
    }
}

impl DeliveryStatus {
    fn of(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            site_id: row.try_get("site_id")?,
            state: row.try_get("state")?,
            at: row.try_get("state_at")?,
            attempts: row.try_get("attempts")?,
            last_outcome: row.try_get("last_outcome")?,
            last_answer: row.try_get("last_detail")?,
            last_at: row.try_get("last_at")?,
        })
    }
}

impl RiskStatus {
    fn of(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { state: row.try_get("state")?, at: row.try_get("state_at")? })
    }
}

impl SetAsideStatus {
    fn of(row: &Row) -> Result<Self, StoreError> {
        let class: &str = row.try_get("class")?;
        Ok(Self {
            class: class.parse().map_err(|_| StoreError::internal())?,
            detail: row.try_get("detail")?,
            at: row.try_get("last_at")?,
        })
    }
}
