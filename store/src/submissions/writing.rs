//! What a chunk's verdicts lead to: the rows of its last round trip, and the outcomes.

use super::earlier::Earlier;
use super::plan::Plan;
use super::rows;
use super::verdict::{Verdict, Verdicts};
use super::{AlertRow, Committed, NewSubmission, Outcome};
use crate::audit::{AuditFacts, Record, microseconds};
use crate::dead_letters::{self, Class, DeadLetter};
use crate::follow_ons::{AlertFollowOn, DeliveryFollowOn, FollowOn, RiskFollowOn};
use crate::step::Step;
use crate::suspects;
use epro_schemas::kind;
use serde_json::{Map, Value, json};
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

/// What is to be written about a chunk.
pub(super) struct Writing<'a> {
    verdicts: &'a Verdicts,
    earlier: &'a Earlier<'a>,
    /// The verdict on each submission of the chunk.
    each: Vec<(&'a NewSubmission, Fate<'a>)>,
    stored: Vec<&'a NewSubmission>,
    deliveries: Vec<(&'a NewSubmission, &'a str)>,
    risks: Vec<&'a NewSubmission>,
    alerts: Vec<(&'a NewSubmission, &'a AlertRow)>,
    dead_letters: Vec<DeadLetter>,
}

/// A candidate's verdict, as it holds for one of its copies.
#[derive(Clone, Copy)]
enum Fate<'a> {
    Stored,
    /// A copy of one that is stored by this very chunk.
    Copy {
        of: &'a NewSubmission,
    },
    Duplicate {
        same_delivery: bool,
    },
    SetAside(Class),
    BaseAbsent,
}

impl<'a> Writing<'a> {
    pub(super) fn of(plan: &'a Plan<'a>, verdicts: &'a Verdicts, earlier: &'a Earlier<'a>) -> Self {
        let each = fates(plan, verdicts);
        let mut stored: Vec<&NewSubmission> =
            each.iter().filter(|(_, fate)| matches!(fate, Fate::Stored)).map(|(s, _)| *s).collect();
        stored.sort_by_key(|s| s.identity());
        let deliveries =
            stored.iter().filter_map(|s| s.delivery_site.as_deref().map(|site| (*s, site))).collect();
        let risks = stored.iter().copied().filter(|s| s.risk).collect();
        let mut alerts: Vec<_> =
            plan.chunk.iter().flat_map(|s| s.alerts.iter().map(move |a| (s, a))).collect();
        alerts.sort_by_key(|(_, alert)| alert.alert_id);
        alerts.dedup_by_key(|(_, alert)| alert.alert_id);
        let dead_letters = each
            .iter()
            .filter_map(|(s, fate)| match fate {
                Fate::SetAside(class) => Some(dead_letter(s, *class)),
                _ => None,
            })
            .collect();
        Self { verdicts, earlier, each, stored, deliveries, risks, alerts, dead_letters }
    }

    /// The statements, without those that would insert nothing. Their order over the tables is the
    /// same in every transaction.
    pub(super) fn steps(&self, suspect: Option<Uuid>) -> Vec<Step<'_>> {
        let mut steps = Vec::new();
        if !self.stored.is_empty() {
            steps.push(rows::research(&self.stored));
        }
        if !self.deliveries.is_empty() {
            steps.push(rows::deliveries(&self.deliveries));
        }
        if !self.risks.is_empty() {
            steps.push(rows::risks(&self.risks));
        }
        if !self.alerts.is_empty() {
            let repeats = self.alerts.iter().map(|(_, alert)| self.earlier.repeated_by(alert.alert_id));
            steps.push(rows::alerts(&self.alerts, repeats.collect()));
        }
        steps.extend(self.earlier.step());
        steps.extend(dead_letters::insert(&self.dead_letters));
        steps.extend(suspects::forget_all(self.settled(suspect)));
        steps
    }

    /// Of whom starts may be counted: the suspect, and what has waited. That comes as if it were new, and whoever parked
    /// it may have been killed before it took its own start back.
    fn settled(&self, suspect: Option<Uuid>) -> Vec<Uuid> {
        let sources = self.each.iter().map(|(submission, _)| &submission.source);
        let waited = sources.filter(|source| source.waited.is_some()).map(|source| source.message_id);
        suspect.into_iter().chain(waited).collect()
    }

    /// One audit row for each submission on which something was decided, and what was withdrawn.
    pub(super) fn records(&self) -> Vec<Record<'_>> {
        let decided = self.each.iter().filter_map(|(submission, fate)| {
            let (action, outcome) = match fate {
                Fate::Stored => ("submission.stored", "ok"),
                Fate::Duplicate { same_delivery: true } => ("submission.duplicate", "same_delivery"),
                Fate::Duplicate { same_delivery: false } | Fate::Copy { .. } => {
                    ("submission.duplicate", "sent_again")
                }
                Fate::SetAside(class) => ("submission.set_aside", class.as_str()),
                Fate::BaseAbsent => return None,
            };
            Some(record(submission, action, outcome))
        });
        decided.chain(self.earlier.records()).collect()
    }

    /// The outcomes, in the order of the chunk.
    pub(super) fn outcomes(&self, committed: &Committed) -> Vec<Outcome> {
        self.each.iter().map(|(submission, fate)| self.outcome(submission, *fate, committed)).collect()
    }

    fn outcome(&self, submission: &NewSubmission, fate: Fate<'_>, committed: &Committed) -> Outcome {
        let receipt = committed.again();
        match fate {
            Fate::Stored => Outcome::Stored { receipt, follow_ons: self.all_of(submission) },
            Fate::Copy { of } => Outcome::Duplicate {
                receipt,
                follow_ons: self.beyond(submission, of),
                same_delivery: submission.source.message_id == of.source.message_id,
            },
            Fate::Duplicate { same_delivery } => {
                Outcome::Duplicate { receipt, follow_ons: self.open_of(submission), same_delivery }
            }
            Fate::SetAside(class) => {
                Outcome::SetAside { receipt, class, follow_ons: self.alerts_of(submission) }
            }
            Fate::BaseAbsent => Outcome::BaseAbsent { follow_ons: self.alerts_of(submission) },
        }
    }

    /// Its own alerts, unless they are done or repeat another one.
    fn alerts_of(&self, submission: &NewSubmission) -> Vec<FollowOn> {
        let open = self.news_of(submission).filter(|alert| !self.verdicts.done.contains(&alert.alert_id));
        open.map(|alert| alert_of(submission, alert)).collect()
    }

    fn news_of<'s>(&'s self, submission: &'s NewSubmission) -> impl Iterator<Item = &'s AlertRow> {
        submission.alerts.iter().filter(|alert| self.earlier.repeated_by(alert.alert_id).is_none())
    }

    fn all_of(&self, submission: &NewSubmission) -> Vec<FollowOn> {
        let alerts = self.news_of(submission).map(|alert| alert_of(submission, alert));
        alerts.chain(delivery_of(submission)).chain(risk_of(submission)).collect()
    }

    /// What a copy alerts about beyond the one that is stored: nothing, unless their rules differ. The
    /// rest travels with that one, whose delivery isn't acked before it is published.
    fn beyond(&self, copy: &NewSubmission, stored: &NewSubmission) -> Vec<FollowOn> {
        let further = self.news_of(copy).filter(|a| stored.alerts.iter().all(|b| a.alert_id != b.alert_id));
        further.map(|alert| alert_of(copy, alert)).collect()
    }

    /// Its own alerts and what the tables hold under its identity, unless they are done.
    fn open_of(&self, submission: &NewSubmission) -> Vec<FollowOn> {
        let mut open = self.alerts_of(submission);
        for follow_on in self.verdicts.open.get(&submission.identity()).into_iter().flatten() {
            if !open.contains(follow_on) {
                open.push(follow_on.clone());
            }
        }
        open
    }
}

fn fates<'a>(plan: &'a Plan<'a>, verdicts: &Verdicts) -> Vec<(&'a NewSubmission, Fate<'a>)> {
    let mut each = Vec::with_capacity(plan.chunk.len());
    for (submission, place) in plan.chunk.iter().zip(&plan.candidate_of) {
        let (Some(candidate), Some(verdict)) = (plan.candidates.get(*place), verdicts.of.get(*place)) else {
            continue;
        };
        let fate = match verdict {
            Verdict::New if std::ptr::eq(*candidate, submission) => Fate::Stored,
            Verdict::New => Fate::Copy { of: candidate },
            Verdict::Duplicate { message_id } => {
                Fate::Duplicate { same_delivery: *message_id == submission.source.message_id }
            }
            Verdict::SetAside(class) => Fate::SetAside(*class),
            Verdict::BaseAbsent => Fate::BaseAbsent,
        };
        each.push((submission, fate));
    }
    each
}

pub(super) fn record<'s>(
    submission: &'s NewSubmission,
    action: &'static str,
    outcome: &'static str,
) -> Record<'s> {
    let row = &submission.identified;
    Record {
        action,
        outcome,
        facts: &submission.audit,
        submission_id: Some(row.submission_id),
        pseudonym: Some(row.pseudonym),
        site_id: Some(&row.site_id),
        study_id: Some(&row.study_id),
        body_sha256: Some(&row.body_sha256),
        received_at: Some(row.received_at),
        details: details(submission),
    }
}

/// What it amends, what it alerts about, how it waited before; `None` for nearly all.
fn details(submission: &NewSubmission) -> Option<String> {
    let row = &submission.identified;
    let mut details = Map::new();
    if row.amends.is_some() || !submission.alerts.is_empty() {
        let alert = |alert: &AlertRow| json!({"alert": alert.alert_id, "rule": alert.rule, "severity": alert.severity});
        details.insert("amends".to_owned(), json!(row.amends));
        details.insert("alerts".to_owned(), submission.alerts.iter().map(alert).collect());
    }
    if let Some(waited) = submission.source.waited {
        let since = waited.since.and_then(|at| at.format(&Rfc3339).ok());
        details.insert("waits".to_owned(), json!(waited.times));
        details.insert("waiting_since".to_owned(), json!(since));
    }
    (!details.is_empty()).then(|| Value::Object(details).to_string())
}

fn dead_letter(submission: &NewSubmission, class: Class) -> DeadLetter {
    let row = &submission.identified;
    let rule = match class {
        Class::Stale => "its base was amended already",
        _ => "stored with other content",
    };
    DeadLetter {
        lane: submission.source.lane.to_owned(),
        queue: submission.source.queue.to_string(),
        message_id: Some(submission.source.message_id),
        content_sha256: row.body_sha256,
        class,
        stage: Some("store".to_owned()),
        detail: Some(rule.to_owned()),
        submission_id: Some(row.submission_id),
        pseudonym: Some(row.pseudonym),
        site_id: Some(row.site_id.to_string()),
        study_id: Some(row.study_id.to_string()),
        instrument: Some(row.instrument.to_string()),
        received_at: Some(row.received_at),
        body: row.sealed.to_vec(),
        wrapped: false,
        kind: Some(kind::SUBMISSION.to_owned()),
        headers: submission.source.headers.written(),
        audit: AuditFacts::clone(&submission.audit),
    }
}

pub(super) fn delivery_of(submission: &NewSubmission) -> Option<FollowOn> {
    submission.delivery_site.as_ref().map(|site| {
        FollowOn::Delivery(DeliveryFollowOn {
            submission_id: submission.identified.submission_id,
            pseudonym: submission.identified.pseudonym,
            site_id: site.to_string(),
            generation: 1,
        })
    })
}

pub(super) fn risk_of(submission: &NewSubmission) -> Option<FollowOn> {
    submission.risk.then(|| {
        FollowOn::Risk(RiskFollowOn {
            submission_id: submission.identified.submission_id,
            pseudonym: submission.identified.pseudonym,
            study_id: submission.identified.study_id.to_string(),
        })
    })
}

fn alert_of(submission: &NewSubmission, alert: &AlertRow) -> FollowOn {
    FollowOn::Alert(AlertFollowOn {
        alert_id: alert.alert_id,
        submission_id: submission.identified.submission_id,
        site_id: submission.identified.site_id.to_string(),
        study_id: submission.identified.study_id.to_string(),
        rule: alert.rule.clone(),
        severity: alert.severity.clone(),
        // As the row gives it back.
        received_at: Some(microseconds(submission.identified.received_at)),
    })
}
