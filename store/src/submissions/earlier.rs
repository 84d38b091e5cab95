//! Alerts that a chunk's submissions have in common with earlier ones: an amendment that keeps an answer
//! of its base doesn't alert again, one that no longer gives it is noted there.

use super::NewSubmission;
use super::plan::{Identity, Plan};
use super::verdict::{Verdict, Verdicts};
use crate::audit::Record;
use crate::error::StoreError;
use crate::step::Step;
use crate::transaction::Transaction;
use serde_json::json;
use std::collections::HashMap;
use tokio_postgres::Row;
use uuid::Uuid;

/// Without what a risk model found: it is asked about the amendment, too, and says so itself.
const OF: &str = "\
SELECT a.alert_id, a.submission_id, a.pseudonym, a.rule, a.repeats \
FROM unnest($1::uuid[], $2::uuid[]) AS k (submission_id, pseudonym) \
CROSS JOIN LATERAL (SELECT * FROM ops.alert \
    WHERE submission_id = k.submission_id AND pseudonym = k.pseudonym AND rule <> 'risk' OFFSET 0) a";

const WITHDRAW: &str = "\
UPDATE ops.alert a SET withdrawn_by = k.amendment, withdrawn_at = clock_timestamp() \
FROM unnest($1::uuid[], $2::uuid[]) AS k (alert_id, amendment) \
WHERE a.alert_id = k.alert_id AND a.withdrawn_by IS NULL";

/// What earlier alerts mean for those of a chunk.
#[derive(Default)]
pub(super) struct Earlier<'a> {
    /// Alerts that say again what another one says: that one.
    repeats: HashMap<Uuid, Uuid>,
    withdrawn: Vec<Withdrawn<'a>>,
}

/// An alert whose answer an amendment no longer gives.
struct Withdrawn<'a> {
    alert: Uuid,
    rule: String,
    amendment: &'a NewSubmission,
}

/// An alert under its submission.
struct Known {
    /// The first alert that said it.
    root: Uuid,
    alert: Uuid,
    rule: String,
}

impl<'a> Earlier<'a> {
    /// Asks only where there is something to ask: few submissions alert or amend.
    pub(super) async fn read(
        transaction: &mut Transaction<'_>,
        plan: &Plan<'a>,
        verdicts: &Verdicts,
    ) -> Result<Self, StoreError> {
        let mut keys: Vec<Identity> = Vec::new();
        for (candidate, verdict) in plan.candidates.iter().zip(&verdicts.of) {
            keys.extend(base_of(candidate).filter(|_| *verdict == Verdict::New));
            keys.extend((!candidate.alerts.is_empty()).then(|| unnamed(candidate)));
        }
        if keys.is_empty() {
            return Ok(Self::default());
        }
        keys.sort_unstable();
        keys.dedup();
        let (ids, pseudonyms): (Vec<Uuid>, Vec<Uuid>) = keys.into_iter().unzip();
        let rows = transaction.rows(Step::new(OF).with(ids).with(pseudonyms)).await?;
        let mut earlier = Self::default();
        let mut known = known(&rows)?;
        for candidate in &plan.candidates {
            let of_chunk = candidate.alerts.iter();
            let of_chunk =
                of_chunk.map(|a| Known { root: a.alert_id, alert: a.alert_id, rule: a.rule.clone() });
            known.entry(candidate.identity()).or_default().extend(of_chunk);
        }
        for (candidate, verdict) in plan.candidates.iter().copied().zip(&verdicts.of) {
            earlier.repeat(candidate, known.get(&unnamed(candidate)).map_or(&[], Vec::as_slice));
            let of_base = base_of(candidate).filter(|_| *verdict == Verdict::New);
            if let Some(of_base) = of_base.and_then(|base| known.get(&base)) {
                earlier.repeat(candidate, of_base);
                earlier.withdraw(candidate, of_base);
            }
        }
        Ok(earlier)
    }

    fn repeat(&mut self, candidate: &NewSubmission, known: &[Known]) {
        for alert in &candidate.alerts {
            let same = known.iter().find(|known| known.rule == alert.rule && known.root != alert.alert_id);
            if let Some(same) = same {
                // In a chain of amendments the first alert is the one that people know.
                let root = self.repeats.get(&same.root).copied().unwrap_or(same.root);
                self.repeats.insert(alert.alert_id, root);
            }
        }
    }

    fn withdraw(&mut self, amendment: &'a NewSubmission, of_base: &[Known]) {
        for known in of_base {
            if amendment.alerts.iter().any(|alert| alert.rule == known.rule) {
                continue;
            }
            let root = self.repeats.get(&known.root).copied().unwrap_or(known.root);
            for alert in [Some(root), Some(known.alert).filter(|alert| *alert != root)].into_iter().flatten()
            {
                self.withdrawn.push(Withdrawn { alert, rule: known.rule.clone(), amendment });
            }
        }
    }

    /// The alert that this one says again, if it does.
    pub(super) fn repeated_by(&self, alert: Uuid) -> Option<Uuid> {
        self.repeats.get(&alert).copied()
    }

    /// Notes what was withdrawn; after the chunk's own alerts are inserted.
    pub(super) fn step(&self) -> Option<Step<'_>> {
        (!self.withdrawn.is_empty()).then(|| {
            Step::new(WITHDRAW)
                .column(&self.withdrawn, |withdrawn| withdrawn.alert)
                .column(&self.withdrawn, |withdrawn| withdrawn.amendment.identified.submission_id)
        })
    }

    /// An audit row for each alert that was withdrawn.
    pub(super) fn records(&self) -> impl Iterator<Item = Record<'_>> {
        self.withdrawn.iter().map(|withdrawn| {
            let row = &withdrawn.amendment.identified;
            let details = json!({ "alert": withdrawn.alert, "rule": withdrawn.rule });
            Record {
                submission_id: Some(row.submission_id),
                pseudonym: Some(row.pseudonym),
                site_id: Some(&row.site_id),
                study_id: Some(&row.study_id),
                ..Record::about(
                    "alert.withdrawn",
                    "ok",
                    &withdrawn.amendment.audit,
                    Some(details.to_string()),
                )
            }
        })
    }
}

fn base_of(candidate: &NewSubmission) -> Option<Identity> {
    candidate.identified.amends.map(|base| (base, candidate.identified.pseudonym))
}

/// How an alert of its message was named while nobody could open that: by the message's own id.
fn unnamed(candidate: &NewSubmission) -> Identity {
    (candidate.source.message_id, candidate.source.message_id)
}

fn known(rows: &[Row]) -> Result<HashMap<Identity, Vec<Known>>, StoreError> {
    let mut known: HashMap<Identity, Vec<Known>> = HashMap::new();
    for row in rows {
        let alert: Uuid = row.try_get("alert_id")?;
        let root = row.try_get::<_, Option<Uuid>>("repeats")?.unwrap_or(alert);
        let identity = (row.try_get("submission_id")?, row.try_get("pseudonym")?);
        known.entry(identity).or_default().push(Known { root, alert, rule: row.try_get("rule")? });
    }
    Ok(known)
}
