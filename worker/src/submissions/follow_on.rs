//! Follow-ons: what a stored submission leads to. Published and confirmed before the delivery is acked, or
//! committed as `unsent`, which the relay mends; so a sick queue never stops the route.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use epro_broker::{Confirmed, Headers, Message, PublishError, Publisher, topology};
use epro_process::traces::{self, conventions};
use epro_schemas::alert::{AlertMessage, DeliveryMessage, RiskMessage};
use epro_schemas::seal::{KeyRing, SealError, Sealer};
use epro_store::Store;
use epro_store::follow_ons::{AlertFollowOn, DeliveryFollowOn, FollowOn, RiskFollowOn};
use futures_util::future::join_all;
use uuid::Uuid;

use crate::hold::{GivenUp, Hold, until_done};
use crate::in_flight::InFlight;
use crate::seldom::Seldom;

/// How long a follow-on's confirm may take before the row is written as `unsent`.
const CONFIRM: Duration = Duration::from_secs(3);

/// A blocked broker refuses those of every chunk.
static UNCONFIRMED: Seldom = Seldom::new();

/// The place in its trace of what each submission's follow-ons come from, where that is recorded.
#[derive(Default)]
pub(crate) struct Parents(HashMap<Uuid, String>);

impl Parents {
    /// Those of deliveries in hand.
    pub(crate) fn of<'a>(carriers: impl IntoIterator<Item = &'a InFlight>) -> Self {
        let mut parents = Self::default();
        for one in carriers {
            parents.add(one);
        }
        parents
    }

    /// That of one more.
    pub(crate) fn add(&mut self, one: &InFlight) {
        if let (Some(id), Some(place)) = (one.known.submission_id, one.span.traceparent()) {
            self.0.insert(id, place);
        }
    }

    /// Those of submissions that came long ago: of each only its trace is known.
    pub(crate) fn known_by(trace_ids: HashMap<Uuid, String>) -> Self {
        let place = |(id, trace_id): (Uuid, String)| Some((id, traces::continued(&trace_id)?));
        Self(trace_ids.into_iter().filter_map(place).collect())
    }

    fn get(&self, follow_on: &FollowOn) -> Option<String> {
        self.0.get(&follow_on.submission_id()).cloned()
    }
}

/// The way out: under a seal, through a publisher.
#[derive(Clone, Copy)]
pub(crate) struct Out<'a> {
    pub ring: &'a KeyRing,
    pub publisher: &'a Publisher,
}

/// Publishes all of them; what isn't confirmed is committed as `unsent`.
pub(crate) async fn send(
    follow_ons: Vec<FollowOn>,
    parents: &Parents,
    out: Out<'_>,
    store: &Store,
    hold: &Hold,
) -> Result<(), GivenUp> {
    if follow_ons.is_empty() {
        return Ok(());
    }
    let since = Instant::now();
    let unsent = publish(follow_ons, parents, out).await.1;
    metrics::histogram!("epro_stage_seconds", "stage" => "follow_ons").record(since.elapsed());
    if unsent.is_empty() {
        return Ok(());
    }
    metrics::counter!("epro_follow_ons_unsent_total").increment(unsent.len() as u64);
    until_done!(hold, "unsent", store.mark_unsent(&unsent)).map(drop)
}

/// Publishes all of them at once: (confirmed, not confirmed).
pub(crate) async fn publish(
    follow_ons: Vec<FollowOn>,
    parents: &Parents,
    out: Out<'_>,
) -> (Vec<FollowOn>, Vec<FollowOn>) {
    let messages = messages(follow_ons, parents, out.ring);
    let published = messages.into_iter().map(async |(follow_on, message)| {
        let result = publish_message(message, out.publisher).await;
        (follow_on, result)
    });
    let (mut sent, mut unsent) = (Vec::new(), Vec::new());
    let mut first_error = None;
    for (follow_on, result) in join_all(published).await {
        match result {
            Ok(_) => sent.push(follow_on),
            Err(error) => {
                first_error.get_or_insert(error);
                unsent.push(follow_on);
            }
        }
    }
    if let Some(error) = first_error
        && UNCONFIRMED.is_due()
    {
        tracing::warn!(%error, unsent = unsent.len(), "follow-ons are not confirmed, the relay sends them later");
    }
    (sent, unsent)
}

/// Publishes one.
pub(crate) async fn publish_one(
    follow_on: &FollowOn,
    parents: &Parents,
    out: Out<'_>,
) -> Result<Confirmed, PublishError> {
    let message = message(follow_on, parents, &mut out.ring.sealer(1));
    publish_message(message, out.publisher).await
}

async fn publish_message(
    message: Result<Message, SealError>,
    publisher: &Publisher,
) -> Result<Confirmed, PublishError> {
    let mut message = message?;
    let id = message.message_id();
    let mut span = conventions::publish(&mut message.headers.traceparent, &message.routing_key, id);
    let result = publisher.publish_within(message, CONFIRM).await;
    if result.is_err() {
        span.failed("not_confirmed");
    }
    result
}

/// Each with its message. All seals are made one after another, before any confirm is waited for.
fn messages(
    follow_ons: Vec<FollowOn>,
    parents: &Parents,
    ring: &KeyRing,
) -> Vec<(FollowOn, Result<Message, SealError>)> {
    let mut sealer = ring.sealer(follow_ons.len());
    let sealed = |follow_on| {
        let message = message(&follow_on, parents, &mut sealer);
        (follow_on, message)
    };
    follow_ons.into_iter().map(sealed).collect()
}

fn message(follow_on: &FollowOn, parents: &Parents, sealer: &mut Sealer) -> Result<Message, SealError> {
    let id = Uuid::now_v7();
    let headers = Headers { traceparent: parents.get(follow_on), ..Headers::default() };
    Ok(match follow_on {
        FollowOn::Alert(alert) => {
            Message::work(topology::ALERTS, headers, sealer.body(id, &about_alert(alert))?)
        }
        FollowOn::Delivery(delivery) => {
            let body = sealer.body(id, &about_delivery(delivery))?;
            Message::work(&topology::his(&delivery.site_id), headers, body)
        }
        FollowOn::Risk(risk) => Message::work(topology::RISK, headers, sealer.body(id, &about_risk(risk))?),
    })
}

fn about_alert(alert: &AlertFollowOn) -> AlertMessage {
    AlertMessage {
        alert_id: alert.alert_id,
        submission_id: alert.submission_id,
        site_id: alert.site_id.clone(),
        study_id: alert.study_id.clone(),
        rule: alert.rule.clone(),
        // A severity that this version doesn't know is as bad as can be.
        severity: alert.severity.parse().unwrap_or(epro_schemas::instrument::Severity::Critical),
        received_at: alert.received_at,
        told: Vec::new(),
    }
}

fn about_delivery(delivery: &DeliveryFollowOn) -> DeliveryMessage {
    DeliveryMessage {
        submission_id: delivery.submission_id,
        pseudonym: delivery.pseudonym,
        site_id: delivery.site_id.clone(),
        generation: delivery.generation,
    }
}

fn about_risk(risk: &RiskFollowOn) -> RiskMessage {
    RiskMessage {
        submission_id: risk.submission_id,
        pseudonym: risk.pseudonym,
        study_id: risk.study_id.clone(),
    }
}
