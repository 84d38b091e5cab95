//! What became of each candidate, told by a second statement: in the statement that inserts, the
//! loser of a race sees nothing of the winner.

use super::NewSubmission;
use super::plan::{Content, Identity, Plan};
use crate::dead_letters::Class;
use crate::error::StoreError;
use crate::follow_ons::{AlertFollowOn, DeliveryFollowOn, FollowOn, RiskFollowOn};
use crate::step::Step;
use crate::transaction::Transaction;
use std::collections::{HashMap, HashSet};
use tokio_postgres::Row;
use uuid::Uuid;

/// The subqueries' LIMIT and OFFSET make the planner look each row up in its index, whatever it
/// believes about a table that was empty a minute ago.
const THERE: &str = "\
SELECT k.place, there.message_id, there.content_version, there.content_hash, there.body_sha256, \
    COALESCE(successor.found, false) AS successor \
FROM unnest($1::integer[], $2::uuid[], $3::uuid[], $4::uuid[]) AS k (place, submission_id, pseudonym, amends) \
LEFT JOIN LATERAL (SELECT s.message_id, s.content_version, s.content_hash, s.body_sha256 \
    FROM identified.submission s \
    WHERE s.submission_id = k.submission_id AND s.pseudonym = k.pseudonym LIMIT 1) there ON true \
LEFT JOIN LATERAL (SELECT true AS found FROM identified.submission s \
    WHERE s.amends = k.amends AND s.pseudonym = k.pseudonym LIMIT 1) successor ON true";

const ALERTS: &str = "\
SELECT a.alert_id, a.submission_id, a.pseudonym, a.site_id, a.study_id, a.rule, a.severity, a.received_at, \
    a.state = 'done' AS done \
FROM unnest($1::uuid[], $2::uuid[]) AS k (submission_id, pseudonym) \
CROSS JOIN LATERAL (SELECT * FROM ops.alert \
    WHERE submission_id = k.submission_id AND pseudonym = k.pseudonym OFFSET 0) a";

const DELIVERIES: &str = "\
SELECT d.submission_id, d.pseudonym, d.site_id, d.generation \
FROM unnest($1::uuid[], $2::uuid[]) AS k (submission_id, pseudonym) \
CROSS JOIN LATERAL (SELECT * FROM ops.delivery \
    WHERE submission_id = k.submission_id AND pseudonym = k.pseudonym AND state IN ('queued', 'unsent') LIMIT 1) d";

const RISKS: &str = "\
SELECT r.submission_id, r.pseudonym, r.study_id \
FROM unnest($1::uuid[], $2::uuid[]) AS k (submission_id, pseudonym) \
CROSS JOIN LATERAL (SELECT * FROM ops.risk \
    WHERE submission_id = k.submission_id AND pseudonym = k.pseudonym AND state IN ('queued', 'unsent') LIMIT 1) r";

/// The verdict on one candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Inserted now.
    New,
    /// Was there; the message that it came in.
    Duplicate { message_id: Uuid },
    /// Can never be stored.
    SetAside(Class),
    /// Its base isn't there.
    BaseAbsent,
}

/// The verdicts on the candidates of a plan, by place, and what the tables hold about those that
/// aren't new.
pub(super) struct Verdicts {
    pub(super) of: Vec<Verdict>,
    /// Alerts that are done.
    pub(super) done: HashSet<Uuid>,
    /// By identity: follow-ons that aren't done.
    pub(super) open: HashMap<Identity, Vec<FollowOn>>,
}

impl Verdicts {
    pub(super) async fn read(
        transaction: &mut Transaction<'_>,
        plan: &Plan<'_>,
        inserted: &[Vec<Row>],
    ) -> Result<Self, StoreError> {
        let inserted = contents(inserted)?;
        let mut verdicts = Self {
            of: vec![Verdict::New; plan.candidates.len()],
            done: HashSet::new(),
            open: HashMap::new(),
        };
        let rest: Vec<(i32, &NewSubmission)> = (0_i32..)
            .zip(plan.candidates.iter().copied())
            .filter(|(_, candidate)| !inserted.contains(&candidate.content()))
            .collect();
        if !rest.is_empty() {
            let answers = transaction.run(questions(&rest)).await?;
            verdicts.take(plan, &answers)?;
        }
        Ok(verdicts)
    }

    fn take(&mut self, plan: &Plan<'_>, answers: &[Vec<Row>]) -> Result<(), StoreError> {
        let [there, alerts, deliveries, risks] = answers else {
            return Err(StoreError::internal());
        };
        for row in there {
            let place = usize::try_from(row.try_get::<_, i32>("place")?).unwrap_or(usize::MAX);
            let (Some(candidate), Some(verdict)) = (plan.candidates.get(place), self.of.get_mut(place))
            else {
                return Err(StoreError::internal());
            };
            *verdict = judge(candidate, &There::of(row)?)?;
        }
        for row in alerts {
            self.take_alert(row)?;
        }
        for row in deliveries {
            let delivery = DeliveryFollowOn::of(row)?;
            let identity = (delivery.submission_id, delivery.pseudonym);
            self.open.entry(identity).or_default().push(FollowOn::Delivery(delivery));
        }
        for row in risks {
            let risk = RiskFollowOn::of(row)?;
            let identity = (risk.submission_id, risk.pseudonym);
            self.open.entry(identity).or_default().push(FollowOn::Risk(risk));
        }
        Ok(())
    }

    fn take_alert(&mut self, row: &Row) -> Result<(), StoreError> {
        let alert = AlertFollowOn::of(row)?;
        if row.try_get("done")? {
            self.done.insert(alert.alert_id);
        } else {
            let identity = (alert.submission_id, row.try_get("pseudonym")?);
            self.open.entry(identity).or_default().push(FollowOn::Alert(alert));
        }
        Ok(())
    }
}

/// What the table holds under a candidate's keys.
struct There {
    submission: Option<(Uuid, i16, Vec<u8>, Vec<u8>)>,
    successor: bool,
}

impl There {
    fn of(row: &Row) -> Result<Self, StoreError> {
        let submission = match row.try_get::<_, Option<Uuid>>("message_id")? {
            None => None,
            Some(message_id) => Some((
                message_id,
                row.try_get("content_version")?,
                row.try_get("content_hash")?,
                row.try_get("body_sha256")?,
            )),
        };
        Ok(Self { submission, successor: row.try_get("successor")? })
    }
}

fn judge(candidate: &NewSubmission, there: &There) -> Result<Verdict, StoreError> {
    let row = &candidate.identified;
    match &there.submission {
        // The same bytes are the same content, whichever version of the algorithm hashed them then.
        Some((message_id, version, content, body))
            if (*version == row.content_version && *content == row.content_hash)
                || *body == row.body_sha256 =>
        {
            Ok(Verdict::Duplicate { message_id: *message_id })
        }
        Some(_) => Ok(Verdict::SetAside(Class::Conflict)),
        None if there.successor => Ok(Verdict::SetAside(Class::Stale)),
        // Also where the base was committed a moment ago, between the two statements.
        None if row.amends.is_some() => Ok(Verdict::BaseAbsent),
        // It was in the way a moment ago and is gone: only an administrator deletes. Try again.
        None => Err(StoreError::internal()),
    }
}

fn contents(inserted: &[Vec<Row>]) -> Result<HashSet<Content>, StoreError> {
    let mut contents = HashSet::with_capacity(inserted.iter().map(Vec::len).sum());
    for row in inserted.iter().flatten() {
        let hash: &[u8] = row.try_get(3)?;
        let hash = hash.try_into().map_err(|_| StoreError::internal())?;
        contents.insert(((row.try_get(0)?, row.try_get(1)?), row.try_get(2)?, hash));
    }
    Ok(contents)
}

fn questions<'r>(rest: &'r [(i32, &'r NewSubmission)]) -> Vec<Step<'r>> {
    let mut identities: Vec<Identity> = rest.iter().map(|(_, candidate)| candidate.identity()).collect();
    identities.sort_unstable();
    identities.dedup();
    let (ids, pseudonyms): (Vec<Uuid>, Vec<Uuid>) = identities.into_iter().unzip();
    vec![
        Step::new(THERE)
            .column(rest, |(place, _)| *place)
            .column(rest, |(_, c)| c.identified.submission_id)
            .column(rest, |(_, c)| c.identified.pseudonym)
            .column(rest, |(_, c)| c.identified.amends),
        Step::new(ALERTS).with(ids.clone()).with(pseudonyms.clone()),
        Step::new(DELIVERIES).with(ids.clone()).with(pseudonyms.clone()),
        Step::new(RISKS).with(ids).with(pseudonyms),
    ]
}
