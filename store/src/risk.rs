//! What a study's risk model is asked about a submission, and what became of it.

use crate::audit::{Actor, AuditChain, AuditFacts, Record};
use crate::dead_letters::{self, DeadLetter};
use crate::error::StoreError;
use crate::follow_ons::{AlertFollowOn, RiskFollowOn};
use crate::pool::Store;
use crate::session::Session;
use crate::step::Step;
use crate::submissions::{Committed, rows};
use crate::suspects;
use crate::transaction::Transaction;
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

const DUE: &str = "\
SELECT r.state, r.attempts, s.study_id, s.site_id, s.instrument, s.answered_at, s.answered_year, \
    s.answers::text AS answers, s.scores::text AS scores, i.received_at, \
    (SELECT COALESCE(a.repeats, a.alert_id) FROM ops.alert a \
     WHERE a.submission_id = i.amends AND a.pseudonym = i.pseudonym AND a.rule = 'risk' LIMIT 1) AS alerted \
FROM ops.risk r \
JOIN research.submission s ON s.submission_id = r.submission_id AND s.pseudonym = r.pseudonym \
JOIN identified.submission i ON i.submission_id = r.submission_id AND i.pseudonym = r.pseudonym \
WHERE r.submission_id = $1 AND r.pseudonym = $2";

const SCORE: &str = "\
INSERT INTO research.risk (submission_id, pseudonym, version, score) VALUES ($1, $2, $3, $4) \
ON CONFLICT DO NOTHING";

macro_rules! move_risk {
    ($set:literal) => {
        concat!(
            "UPDATE ops.risk SET ",
            $set,
            ", state_at = now(), last_outcome = $3, last_at = clock_timestamp() ",
            "WHERE submission_id = $1 AND pseudonym = $2 AND state <> 'done'"
        )
    };
}

const DONE: &str = move_risk!("state = 'done'");

const WAITS: &str = move_risk!("state = 'waits', attempts = attempts + $4::boolean::integer");

const SET_ASIDE: &str = move_risk!("state = 'set_aside'");

const RENEW: &str = "\
UPDATE ops.risk SET state = 'unsent', state_at = now(), attempts = 0 \
WHERE submission_id = $1 AND pseudonym = $2 AND state <> 'done' \
RETURNING submission_id, pseudonym, study_id";

/// (`submission_id`, `pseudonym`).
pub type RiskKey = (Uuid, Uuid);

/// What a message asks for.
#[derive(Debug)]
pub enum Asked {
    /// The model is still to be asked.
    Due(Box<RiskDue>),
    /// Nothing: it has answered, or the question was set aside.
    Over(Committed),
    /// There is no such row.
    Absent,
}

/// What a model may be told of a submission: what researchers may see of it, and no more.
#[derive(Debug)]
pub struct RiskDue {
    /// Answers so far that could not be used.
    pub attempts: i32,
    /// The submission's study.
    pub study_id: String,
    /// The submission's site.
    pub site_id: String,
    /// As `id|version`.
    pub instrument: String,
    /// The instant of answering; `None` under a profile that keeps years only.
    pub answered_at: Option<OffsetDateTime>,
    /// The year of answering.
    pub answered_year: i16,
    /// As in [`crate::submissions::ResearchRow::answers`].
    pub answers: String,
    /// As in [`crate::submissions::ResearchRow::scores`].
    pub scores: String,
    /// The alert that the score of the version before this one raised.
    pub alerted: Option<Uuid>,
    /// When intake received it: for the alert, not for the model.
    pub received_at: OffsetDateTime,
}

/// What a model answered.
#[derive(Debug, Clone, PartialEq)]
pub struct RiskScore {
    /// The model's version.
    pub version: String,
    /// From 0 to 1.
    pub score: f64,
}

fn asks(sql: &'static str, (submission_id, pseudonym): RiskKey) -> Step<'static> {
    Step::new(sql).with(submission_id).with(pseudonym)
}

fn raise(alert: &AlertFollowOn, pseudonym: Uuid, repeats: Option<Uuid>) -> Step<'_> {
    Step::new(rows::ALERTS)
        .with(vec![alert.alert_id])
        .with(vec![alert.submission_id])
        .with(vec![pseudonym])
        .with(vec![alert.study_id.as_str()])
        .with(vec![alert.site_id.as_str()])
        .with(vec![alert.rule.as_str()])
        .with(vec![alert.severity.as_str()])
        .with(vec![alert.received_at])
        .with(vec![repeats])
}

fn record<'a>(
    action: &'a str,
    outcome: &'a str,
    (submission_id, pseudonym): RiskKey,
    (facts, details): (&'a AuditFacts, &Value),
) -> Record<'a> {
    Record {
        submission_id: Some(submission_id),
        pseudonym: Some(pseudonym),
        ..Record::about(action, outcome, facts, Some(details.to_string()))
    }
}

impl Store {
    /// Looks up what a message asks for.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn risk_due(&self, key: RiskKey) -> Result<Asked, StoreError> {
        let session = Session::open(self).await?;
        let answers = session.pipeline(vec![asks(DUE, key)], false).await?;
        session.done();
        let Some(row) = answers.first().and_then(|rows| rows.first()) else { return Ok(Asked::Absent) };
        if matches!(row.try_get("state")?, "done" | "set_aside") {
            // What is read is committed: a statement sees nothing else.
            return Ok(Asked::Over(Committed::after_commit()));
        }
        Ok(Asked::Due(Box::new(RiskDue {
            attempts: row.try_get("attempts")?,
            study_id: row.try_get("study_id")?,
            site_id: row.try_get("site_id")?,
            instrument: row.try_get("instrument")?,
            answered_at: row.try_get("answered_at")?,
            answered_year: row.try_get("answered_year")?,
            answers: row.try_get("answers")?,
            scores: row.try_get("scores")?,
            alerted: row.try_get("alerted")?,
            received_at: row.try_get("received_at")?,
        })))
    }

    /// Stores a score once for each version of the model, with the alert that it raises and an audit row. An alert
    /// that repeats another one (the second value) is done from the start.
    ///
    /// # Errors
    /// As every [`StoreError`]; done again it changes nothing but writes another audit row.
    pub async fn risk_scored(
        &self,
        chain: &mut AuditChain,
        key: RiskKey,
        scored: &RiskScore,
        alert: Option<(&AlertFollowOn, Option<Uuid>)>,
        suspect: Option<Uuid>,
    ) -> Result<Committed, StoreError> {
        let facts = AuditFacts::by(Actor::System("epro-worker".to_owned()));
        let details = json!({ "version": scored.version, "alerts": alert.is_some() });
        let record = record("risk.scored", "ok", key, (&facts, &details));
        let score = asks(SCORE, key).with(scored.version.as_str()).with(scored.score);
        let steps = std::iter::once(score).chain(alert.map(|(alert, repeats)| raise(alert, key.1, repeats)));
        let steps = steps.chain([asks(DONE, key).with("scored")]).chain(suspect.map(suspects::forget));
        Transaction::begin(self, chain).await?.commit(steps.collect(), &[record]).await
    }

    /// The model is asked again later; `charged` if it gave an answer that can't be used.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn risk_waits(
        &self,
        chain: &mut AuditChain,
        key: RiskKey,
        outcome: &str,
        charged: bool,
    ) -> Result<Committed, StoreError> {
        let steps = vec![asks(WAITS, key).with(outcome).with(charged)];
        Transaction::begin(self, chain).await?.commit(steps, &[]).await
    }

    /// The model isn't asked again: a dead letter.
    ///
    /// # Errors
    /// As every [`StoreError`]; done again it counts the dead letter once more.
    pub async fn set_risk_aside(
        &self,
        chain: &mut AuditChain,
        key: RiskKey,
        dead_letter: &DeadLetter,
        suspect: Option<Uuid>,
    ) -> Result<Committed, StoreError> {
        let facts = AuditFacts::by(Actor::System("epro-worker".to_owned()));
        let class = dead_letter.class.as_str();
        let details = json!({ "detail": dead_letter.detail });
        let record = record("risk.set_aside", class, key, (&facts, &details));
        let steps = dead_letters::insert(std::slice::from_ref(dead_letter)).into_iter();
        let steps = steps.chain([asks(SET_ASIDE, key).with(class)]).chain(suspect.map(suspects::forget));
        Transaction::begin(self, chain).await?.commit(steps.collect(), &[record]).await
    }

    /// Lets the model be asked once more, with a new budget, audited in the same transaction. `None`: it has
    /// answered meanwhile, or there is no such row.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn renew_risk(
        &self,
        chain: &mut AuditChain,
        key: RiskKey,
        by: impl Into<AuditFacts>,
        reason: &str,
    ) -> Result<Option<RiskFollowOn>, StoreError> {
        let facts = by.into();
        let details = json!({ "reason": reason });
        let mut transaction = Transaction::begin(self, chain).await?;
        let renewed = transaction.rows(asks(RENEW, key)).await?;
        let renewed = renewed.first().map(RiskFollowOn::of).transpose()?;
        let record = renewed.is_some().then(|| record("risk.renewed", "ok", key, (&facts, &details)));
        transaction.commit(Vec::new(), record.as_slice()).await?;
        Ok(renewed)
    }
}
