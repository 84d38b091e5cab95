//! Lane `risk`: a study's risk model is asked about what is stored, and its score is stored beside it.
//!
//! Behind the commit, and for nobody's sake delayed: a model that is away costs no attempt and holds up no
//! other study. Its questions wait in the broker until it answers again.

mod answer;
#[cfg(test)]
mod believed;
#[cfg(test)]
#[path = "../../fuzz/risk.rs"]
mod hostile;
pub(crate) mod model;
mod question;
mod settle;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use epro_broker::{Delivery, Publisher, Tier};
use epro_process::config::{Config, Lane as LaneKind, Problem};
use epro_process::traces::conventions;
use epro_schemas::alert::{RISK_RULE, RiskMessage, alert_id};
use epro_schemas::instrument::Severity;
use epro_store::Store;
use epro_store::follow_ons::{AlertFollowOn, FollowOn};
use epro_store::risk::{Asked, RiskDue, RiskScore};
use futures_util::future::join_all;
use uuid::Uuid;

use crate::chains::Chains;
use crate::failure::Failure;
use crate::fault::{self, Seam};
use crate::hold::{GivenUp, Hold, until_done};
use crate::in_flight::{InFlight, guarded};
use crate::lane::{Chunk, Handled, Work};
use crate::said::said;
use crate::starts::{MOST_STARTS, Start, Starts, key_of_waited};
use crate::submissions::follow_on::{self, Out, Parents};
use crate::submissions::route::Route;
use model::{Model, Trouble};
use settle::Fate;

const LANE: &str = "risk";

/// The models of the configuration, by study.
pub(crate) type Models = BTreeMap<String, Model>;

/// Prepares to ask each of them, if this process does.
///
/// # Errors
/// Everything that is wrong with the files that they name.
pub(crate) fn prepare(config: &Config) -> Result<Models, Vec<Problem>> {
    let (mut models, mut problems) = (BTreeMap::new(), Vec::new());
    let asks = config.worker.lanes.contains(&LaneKind::Risk);
    for (study, risk) in config.studies.iter().filter_map(|(id, study)| Some((id, study.risk.as_ref()?))) {
        if !asks {
            continue;
        }
        match Model::new(study, risk, config.scaled(risk.breaker.sleep)) {
            Ok(model) => drop(models.insert(study.clone(), model)),
            Err(mut more) => problems.append(&mut more),
        }
    }
    if problems.is_empty() { Ok(models) } else { Err(problems) }
}

/// The work of `epro.risk`.
pub(crate) struct Risk {
    pub models: Models,
    pub store: Store,
    pub publisher: Publisher,
    pub hold: Hold,
    pub chains: Chains,
    pub starts: Starts,
    pub route: Arc<Route>,
    /// How long a question waits for its model to be configured.
    pub wait_budget: Duration,
}

impl Work for Risk {
    async fn handle(self: Arc<Self>, chunk: Chunk) -> Handled {
        let (mut handled, mut start) = (Handled::default(), None);
        let live = chunk.deliveries.into_iter().filter(Delivery::is_live);
        let in_flight: Vec<InFlight> =
            live.enumerate().map(|(place, delivery)| InFlight::new(delivery, place, LANE)).collect();
        if let Some(first) = in_flight.first().filter(|_| chunk.suspect) {
            let key = first.delivery.message_id().unwrap_or(Uuid::nil());
            match self.starts.start(key, LANE, &self.hold).await {
                Ok(counted) => start = Some(counted),
                Err(_) => {
                    handled.undone.extend(in_flight.into_iter().map(|one| one.delivery));
                    return handled;
                }
            }
        }
        let (suspect, starts) = (start.as_ref().map(Start::key), start.as_ref().map_or(0, Start::count));
        let fates = join_all(in_flight.into_iter().map(|one| self.ask(one, starts, suspect))).await;
        let panicked = fates.iter().any(|fate| matches!(fate, Fate::Failed(_, Failure::Panicked)));
        if let Some(start) = start.take_if(|_| panicked) {
            start.stays();
        }
        for fate in fates {
            self.settle(fate, suspect, &mut handled).await;
        }
        // Not every commit forgets it.
        if let Some(mut start) = start.filter(|_| handled.undone.is_empty()) {
            start.acquit();
        }
        handled
    }
}

impl Risk {
    /// One question's way: looked up, asked, stored, acked.
    async fn ask(&self, mut one: InFlight, starts: i32, suspect: Option<Uuid>) -> Fate {
        let message: RiskMessage = match guarded(|| said(&one.delivery, &self.route.keys.seal)) {
            Ok(message) => message,
            Err(failure) => return Fate::Failed(one, failure),
        };
        let key = (message.submission_id, message.pseudonym);
        (one.known.submission_id, one.known.pseudonym) = (Some(key.0), Some(key.1));
        if starts >= MOST_STARTS {
            return Fate::Failed(one, Failure::Quarantined);
        }
        let due = match until_done!(self.hold, "risk", self.store.risk_due(key)) {
            Ok(Asked::Due(due)) => due,
            Ok(Asked::Over(receipt)) => {
                one.delivery.ack(&receipt);
                return Fate::Settled(one.place, "over");
            }
            Ok(Asked::Absent) => return Fate::Failed(one, Failure::NoQuestion),
            Err(GivenUp::Row(error)) => return Fate::Failed(one, Failure::Refused(error)),
            Err(GivenUp::HoldOver) => return Fate::Undone(one),
        };
        one.known.study_id = Some(due.study_id.as_str().into());
        one.known.site_id = Some(due.site_id.as_str().into());
        one.known.instrument = Some(due.instrument.as_str().into());
        one.known.received_at = Some(due.received_at);
        fault::at(Seam::Process, Some(key.0));
        let Some(model) = self.models.get(&due.study_id) else {
            return Fate::Failed(one, Failure::UnknownModel);
        };
        fault::at(Seam::BeforeCall, Some(key.0));
        let mut span = conventions::model_call(&one.span, &due.study_id);
        let answer = model.ask(&question::of(&due, key)).await;
        if let Err(trouble) = &answer {
            span.failed(trouble.outcome());
        }
        drop(span);
        fault::at(Seam::AfterCall, Some(key.0));
        match answer {
            Ok(scored) => self.scored(one, &due, model, &scored, suspect).await,
            Err(trouble) => self.not_scored(one, &due, model, trouble).await,
        }
    }

    /// The score and its alert are committed, the alert is published, then ack.
    async fn scored(
        &self,
        one: InFlight,
        due: &RiskDue,
        model: &Model,
        scored: &RiskScore,
        suspect: Option<Uuid>,
    ) -> Fate {
        let key = (one.known.submission_id.unwrap_or_default(), one.known.pseudonym.unwrap_or_default());
        let alert = model.alerts(scored).then(|| alert(due, key));
        let suspect = suspect.or_else(|| key_of_waited(&one.delivery));
        let mut chain = self.chains.take().await;
        let stored = until_done!(
            self.hold,
            "risk score",
            self.store.risk_scored(
                chain.chain(),
                key,
                scored,
                alert.as_ref().map(|alert| (alert, due.alerted)),
                suspect
            )
        );
        drop(chain);
        let receipt = match stored {
            Ok(receipt) => receipt,
            Err(GivenUp::Row(error)) => return Fate::Failed(one, Failure::Refused(error)),
            Err(GivenUp::HoldOver) => return Fate::Undone(one),
        };
        fault::at(Seam::AfterRecord, Some(key.0));
        // One that repeats another is told already.
        let alerts = alert.filter(|_| due.alerted.is_none()).into_iter().map(FollowOn::Alert).collect();
        let out = Out { ring: &self.route.keys.seal, publisher: &self.publisher };
        if follow_on::send(alerts, &Parents::of([&one]), out, &self.store, &self.hold).await.is_err() {
            // Its row is due all the same: lane `alerts` looks for such.
            tracing::debug!("an alert of a risk score is told from its row");
        }
        one.delivery.ack(&receipt);
        Fate::Settled(one.place, "scored")
    }

    /// Away: it waits without a charge. An answer that can't be used is charged, up to the budget.
    async fn not_scored(&self, one: InFlight, due: &RiskDue, model: &Model, trouble: Trouble) -> Fate {
        let charged = matches!(trouble, Trouble::Unusable { .. });
        let attempts = u32::try_from(due.attempts).unwrap_or(0) + u32::from(charged);
        let outcome = trouble.outcome();
        match trouble {
            Trouble::Unusable { rule } if attempts >= model.attempts() => {
                return Fate::Failed(one, Failure::NotScored { rule });
            }
            Trouble::Unusable { .. } | Trouble::Away { .. } => {
                let key =
                    (one.known.submission_id.unwrap_or_default(), one.known.pseudonym.unwrap_or_default());
                let mut chain = self.chains.take().await;
                let recorded = until_done!(
                    self.hold,
                    "risk waits",
                    self.store.risk_waits(chain.chain(), key, outcome, charged)
                );
                drop(chain);
                // Not charged, it would be asked once more than its budget says: no harm.
                if let Err(GivenUp::HoldOver) = recorded {
                    return Fate::Undone(one);
                }
            }
            Trouble::NotAsked => {}
        }
        Fate::Waits(one, if charged { Tier::after(attempts) } else { Tier::S5 })
    }
}

fn alert(due: &RiskDue, (submission_id, pseudonym): (Uuid, Uuid)) -> AlertFollowOn {
    AlertFollowOn {
        alert_id: alert_id(&due.study_id, pseudonym, submission_id, RISK_RULE),
        submission_id,
        site_id: due.site_id.clone(),
        study_id: due.study_id.clone(),
        rule: RISK_RULE.to_owned(),
        severity: Severity::Critical.to_string(),
        received_at: Some(due.received_at),
    }
}
