//! Alerts, hospital deliveries and risk questions: rows whose message must still be published.

use crate::error::StoreError;
use crate::pool::Store;
use crate::session::Session;
use crate::step::Step;
use crate::submissions::Committed;
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

macro_rules! move_alerts {
    ($to:literal) => {
        concat!(
            "UPDATE ops.alert SET state = '",
            $to,
            "', state_at = now() WHERE alert_id = ANY ($1::uuid[]) AND state IN ('queued', 'unsent')"
        )
    };
}

macro_rules! move_deliveries {
    ($to:literal) => {
        concat!(
            "UPDATE ops.delivery d SET state = '",
            $to,
            "', state_at = now() ",
            "FROM unnest($1::uuid[], $2::uuid[], $3::integer[]) AS k (submission_id, pseudonym, generation) ",
            "WHERE d.submission_id = k.submission_id AND d.pseudonym = k.pseudonym ",
            "AND d.generation = k.generation AND d.state IN ('queued', 'unsent')"
        )
    };
}

macro_rules! move_risks {
    ($to:literal) => {
        concat!(
            "UPDATE ops.risk r SET state = '",
            $to,
            "', state_at = now() FROM unnest($1::uuid[], $2::uuid[]) AS k (submission_id, pseudonym) ",
            "WHERE r.submission_id = k.submission_id AND r.pseudonym = k.pseudonym ",
            "AND r.state IN ('queued', 'unsent')"
        )
    };
}

const UNSENT_ALERTS: &str = "\
SELECT alert_id, submission_id, site_id, study_id, rule, severity, received_at FROM ops.alert \
WHERE state = 'unsent' ORDER BY state_at LIMIT $1";

const UNSENT_DELIVERIES: &str = "\
SELECT submission_id, pseudonym, site_id, generation FROM ops.delivery \
WHERE state = 'unsent' ORDER BY state_at LIMIT $1";

const UNSENT_RISKS: &str = "\
SELECT submission_id, pseudonym, study_id FROM ops.risk WHERE state = 'unsent' ORDER BY state_at LIMIT $1";

/// A message that a stored (or set-aside) submission leads to; its row is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FollowOn {
    /// For `epro.alerts`.
    Alert(AlertFollowOn),
    /// For `epro.his.<site>`.
    Delivery(DeliveryFollowOn),
    /// For `epro.risk`.
    Risk(RiskFollowOn),
}

/// An alert to publish; its key is `alert_id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertFollowOn {
    /// Deterministic in study, subject, submission and rule.
    pub alert_id: Uuid,
    /// The submission that alerts.
    pub submission_id: Uuid,
    /// Its site.
    pub site_id: String,
    /// Its study.
    pub study_id: String,
    /// The alert rule's id.
    pub rule: String,
    /// The severity's name.
    pub severity: String,
    /// When intake received the submission, as far as it is known.
    pub received_at: Option<OffsetDateTime>,
}

/// A delivery to a hospital; its key is (`submission_id`, `pseudonym`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryFollowOn {
    /// The submission to deliver.
    pub submission_id: Uuid,
    /// Its subject's pseudonym.
    pub pseudonym: Uuid,
    /// The hospital's site id.
    pub site_id: String,
    /// Grows when the row is published anew on purpose; a message of an old one has no effect.
    pub generation: i32,
}

/// A question for a study's risk model; its key is (`submission_id`, `pseudonym`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RiskFollowOn {
    /// The submission to ask about.
    pub submission_id: Uuid,
    /// Its subject's pseudonym.
    pub pseudonym: Uuid,
    /// Its study.
    pub study_id: String,
}

impl FollowOn {
    /// The submission that it follows from.
    #[must_use]
    pub fn submission_id(&self) -> Uuid {
        match self {
            Self::Alert(alert) => alert.submission_id,
            Self::Delivery(delivery) => delivery.submission_id,
            Self::Risk(risk) => risk.submission_id,
        }
    }
}

impl AlertFollowOn {
    pub(crate) fn of(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            alert_id: row.try_get("alert_id")?,
            submission_id: row.try_get("submission_id")?,
            site_id: row.try_get("site_id")?,
            study_id: row.try_get("study_id")?,
            rule: row.try_get("rule")?,
            severity: row.try_get("severity")?,
            received_at: row.try_get("received_at")?,
        })
    }
}

impl DeliveryFollowOn {
    pub(crate) fn of(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            submission_id: row.try_get("submission_id")?,
            pseudonym: row.try_get("pseudonym")?,
            site_id: row.try_get("site_id")?,
            generation: row.try_get("generation")?,
        })
    }
}

impl RiskFollowOn {
    pub(crate) fn of(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            submission_id: row.try_get("submission_id")?,
            pseudonym: row.try_get("pseudonym")?,
            study_id: row.try_get("study_id")?,
        })
    }
}

/// Moves the rows of each kind.
struct Moves {
    alerts: &'static str,
    deliveries: &'static str,
    risks: &'static str,
}

const TO_UNSENT: Moves = Moves {
    alerts: move_alerts!("unsent"),
    deliveries: move_deliveries!("unsent"),
    risks: move_risks!("unsent"),
};

const TO_QUEUED: Moves = Moves {
    alerts: move_alerts!("queued"),
    deliveries: move_deliveries!("queued"),
    risks: move_risks!("queued"),
};

/// Says in a transaction of the caller's that it is published.
pub(crate) fn queued(follow_on: &FollowOn) -> Vec<Step<'static>> {
    moves(std::slice::from_ref(follow_on), &TO_QUEUED)
}

/// A statement for each kind.
fn moves(follow_ons: &[FollowOn], moves: &Moves) -> Vec<Step<'static>> {
    let mut alerts = Vec::new();
    let mut deliveries = Vec::new();
    let mut risks = Vec::new();
    for follow_on in follow_ons {
        match follow_on {
            FollowOn::Alert(alert) => alerts.push(alert.alert_id),
            FollowOn::Delivery(delivery) => {
                deliveries.push((delivery.submission_id, delivery.pseudonym, delivery.generation));
            }
            FollowOn::Risk(risk) => risks.push((risk.submission_id, risk.pseudonym)),
        }
    }
    alerts.sort_unstable();
    deliveries.sort_unstable();
    risks.sort_unstable();
    let mut steps = Vec::new();
    if !alerts.is_empty() {
        steps.push(Step::new(moves.alerts).with(alerts));
    }
    if !deliveries.is_empty() {
        let keys = Step::new(moves.deliveries)
            .with(deliveries.iter().map(|d| d.0).collect::<Vec<Uuid>>())
            .with(deliveries.iter().map(|d| d.1).collect::<Vec<Uuid>>())
            .with(deliveries.iter().map(|d| d.2).collect::<Vec<i32>>());
        steps.push(keys);
    }
    if !risks.is_empty() {
        let keys = Step::new(moves.risks)
            .with(risks.iter().map(|r| r.0).collect::<Vec<Uuid>>())
            .with(risks.iter().map(|r| r.1).collect::<Vec<Uuid>>());
        steps.push(keys);
    }
    steps
}

impl Store {
    /// Commits that these could not be published (now): the relay will. Rows that are done, or of
    /// a newer generation, stay as they are; those that are unsent already go behind the others.
    ///
    /// # Errors
    /// As every [`StoreError`]; nothing was marked.
    pub async fn mark_unsent(&self, follow_ons: &[FollowOn]) -> Result<Committed, StoreError> {
        self.move_follow_ons(follow_ons, &TO_UNSENT).await
    }

    /// Rows that wait for the relay, the oldest first: up to `limit` alerts, then up to `limit` deliveries,
    /// then up to `limit` risk questions.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn unsent(&self, limit: u32) -> Result<Vec<FollowOn>, StoreError> {
        let session = Session::open(self).await?;
        let limit = i64::from(limit);
        let steps = [UNSENT_ALERTS, UNSENT_DELIVERIES, UNSENT_RISKS].map(|sql| Step::new(sql).with(limit));
        let answers = session.pipeline(steps.into(), false).await?;
        session.done();
        let [alerts, deliveries, risks] = &answers[..] else {
            return Err(StoreError::internal());
        };
        let alerts = alerts.iter().map(|row| AlertFollowOn::of(row).map(FollowOn::Alert));
        let deliveries = deliveries.iter().map(|row| DeliveryFollowOn::of(row).map(FollowOn::Delivery));
        let risks = risks.iter().map(|row| RiskFollowOn::of(row).map(FollowOn::Risk));
        alerts.chain(deliveries).chain(risks).collect()
    }

    /// Commits that the relay published these.
    ///
    /// # Errors
    /// As every [`StoreError`]; publishing them again is harmless.
    pub async fn mark_queued(&self, follow_ons: &[FollowOn]) -> Result<Committed, StoreError> {
        self.move_follow_ons(follow_ons, &TO_QUEUED).await
    }

    /// A statement for each kind, each a transaction of its own: where only the first takes effect, the caller
    /// is told of the error and asks again.
    async fn move_follow_ons(&self, follow_ons: &[FollowOn], to: &Moves) -> Result<Committed, StoreError> {
        let session = Session::open(self).await?;
        session.pipeline(moves(follow_ons, to), false).await?;
        session.done();
        Ok(Committed::after_commit())
    }
}
