//! Which alerts are due, and whose turn it is to tell people.

use super::notice::{self, Notice, Outcome};
use crate::audit::{Actor, AuditChain, AuditFacts, Record};
use crate::error::StoreError;
use crate::follow_ons::AlertFollowOn;
use crate::pool::Store;
use crate::session::Session;
use crate::step::Step;
use crate::submissions::Committed;
use crate::transaction::Transaction;
use std::time::Duration;
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

macro_rules! claim {
    ($which:literal) => {
        concat!(
            "UPDATE ops.alert a SET next_at = clock_timestamp() + $1::double precision * interval '1 second' ",
            "FROM (SELECT alert_id FROM ops.alert WHERE state <> 'done' AND next_at <= clock_timestamp() ",
            $which,
            " FOR UPDATE SKIP LOCKED) due ",
            "WHERE a.alert_id = due.alert_id ",
            "RETURNING a.alert_id, a.submission_id, a.site_id, a.study_id, a.rule, a.severity, a.received_at, ",
            "a.created_at, a.level, extract(epoch FROM clock_timestamp() - a.level_at)::double precision AS age, ",
            "a.withdrawn_by IS NOT NULL AS withdrawn, a.next_at AS token"
        )
    };
}

const CLAIM_DUE: &str = claim!("ORDER BY next_at LIMIT $2");
const CLAIM_ONE: &str = claim!("AND alert_id = $2");

/// Only while the claim is ours: somebody else may have taken over after it ended.
const FINISH: &str = "\
UPDATE ops.alert SET level = $3, \
    level_at = CASE WHEN level < $3 THEN clock_timestamp() ELSE level_at END, \
    next_at = clock_timestamp() + $4::double precision * interval '1 second' \
WHERE alert_id = $1 AND next_at = $2 AND state <> 'done'";

/// An alert, and the right to tell people of it until the claim ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// What it is about.
    pub alert: AlertFollowOn,
    /// When its row was written.
    pub created_at: OffsetDateTime,
    /// How far it is escalated, from 1.
    pub level: i32,
    /// For how long it has been at that level.
    pub level_for: Duration,
    /// Whether an amendment no longer gives the answer.
    pub withdrawn: bool,
    /// The notices so far.
    pub notices: Vec<Notice>,
    token: OffsetDateTime,
}

/// When an alert is due again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next {
    /// The level that it has reached.
    pub level: i32,
    /// After how long; `None`: everybody is told, there is nothing left to do.
    pub after: Option<Duration>,
}

impl Claim {
    fn of(row: &Row) -> Result<Self, StoreError> {
        let age: f64 = row.try_get("age")?;
        Ok(Self {
            alert: AlertFollowOn::of(row)?,
            created_at: row.try_get("created_at")?,
            level: row.try_get("level")?,
            level_for: Duration::try_from_secs_f64(age).unwrap_or(Duration::ZERO),
            withdrawn: row.try_get("withdrawn")?,
            notices: Vec::new(),
            token: row.try_get("token")?,
        })
    }
}

impl Store {
    /// Claims up to `limit` due alerts for as long as `claim`, the longest overdue first.
    ///
    /// # Errors
    /// As every [`StoreError`]; they may be claimed, and are due again after that time.
    pub async fn claim_due_alerts(&self, claim: Duration, limit: u32) -> Result<Vec<Claim>, StoreError> {
        let step = Step::new(CLAIM_DUE).with(claim.as_secs_f64()).with(i64::from(limit));
        self.claimed(vec![step]).await
    }

    /// Claims this alert if it is due; one that has no row yet gets one first. The receipt says that the
    /// row is there: whether claimed by us or by somebody else, it will be told without the message.
    ///
    /// # Errors
    /// As every [`StoreError`]; it may be claimed.
    pub async fn claim_alert(
        &self,
        alert: &AlertFollowOn,
        claim: Duration,
    ) -> Result<(Committed, Option<Claim>), StoreError> {
        let row = [(alert.clone(), alert.submission_id)];
        let steps = vec![
            super::raise::insert(&row),
            Step::new(CLAIM_ONE).with(claim.as_secs_f64()).with(alert.alert_id),
        ];
        let claimed = self.claimed(steps).await?.pop();
        Ok((Committed::after_commit(), claimed))
    }

    async fn claimed(&self, steps: Vec<Step<'_>>) -> Result<Vec<Claim>, StoreError> {
        let session = Session::open(self).await?;
        let answers = session.pipeline(steps, false).await?;
        let claims = answers.last().into_iter().flatten().map(Claim::of);
        let mut claims = claims.collect::<Result<Vec<Claim>, StoreError>>()?;
        if !claims.is_empty() {
            let ids: Vec<Uuid> = claims.iter().map(|claim| claim.alert.alert_id).collect();
            let notices = session.pipeline(vec![notice::of_alerts(&ids)], false).await?;
            for row in notices.iter().flatten() {
                let (alert, notice) = notice::read(row)?;
                let of = claims.iter_mut().find(|claim| claim.alert.alert_id == alert);
                of.into_iter().for_each(|claim| claim.notices.push(notice.clone()));
            }
        }
        session.done();
        Ok(claims)
    }

    /// Commits what became of a claim's notices and when the alert is due again; who was told is audited in the
    /// same transaction. Without effect on the
    /// alert if the claim had ended and somebody else has taken over, or if the alert is done meanwhile.
    ///
    /// # Errors
    /// As every [`StoreError`]; finishing again is harmless.
    pub async fn finish_claim(
        &self,
        chain: &mut AuditChain,
        claim: &Claim,
        outcomes: &[Outcome],
        next: Next,
    ) -> Result<Committed, StoreError> {
        let alert = claim.alert.alert_id;
        let finish = Step::new(FINISH)
            .with(alert)
            .with(claim.token)
            .with(next.level)
            .with(next.after.map(|after| after.as_secs_f64()));
        let mut steps = Vec::new();
        if !outcomes.is_empty() {
            steps.push(notice::record(alert, outcomes));
        }
        steps.push(finish);
        let facts = AuditFacts::by(Actor::System("epro-worker".to_owned()));
        let told = outcomes.iter().any(|outcome| outcome.error.is_none());
        let record = told.then(|| Record {
            submission_id: Some(claim.alert.submission_id),
            site_id: Some(&claim.alert.site_id),
            study_id: Some(&claim.alert.study_id),
            ..Record::about("alert.told", "ok", &facts, Some(notice::told(alert, outcomes).to_string()))
        });
        Transaction::begin(self, chain).await?.commit(steps, record.as_slice()).await
    }
}
