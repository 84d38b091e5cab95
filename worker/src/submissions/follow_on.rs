//! Follow-ons: what a stored submission leads to. Published and confirmed before the delivery is acked, or
//! committed as `unsent`, which the relay mends; so a sick queue never stops the route.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use epro_broker::{Confirmed, Headers, Message, PublishError, Publisher, topology};
use epro_process::traces::{self, conventions};
use epro_schemas::alert::{AlertMessage, DeliveryMessage, RiskMessage};
use epro_schemas::kind;
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

/// Publishes all of them; what isn't confirmed is committed as `unsent`.
pub(crate) async fn send(
    follow_ons: Vec<FollowOn>,
    parents: &Parents,
    publisher: &Publisher,
    store: &Store,
    hold: &Hold,
) -> Result<(), GivenUp> {
    if follow_ons.is_empty() {
        return Ok(());
    }
    let since = Instant::now();
    let unsent = publish(follow_ons, parents, publisher).await.1;
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
    publisher: &Publisher,
) -> (Vec<FollowOn>, Vec<FollowOn>) {
    let published = follow_ons.into_iter().map(async |follow_on| {
        let result = publish_one(&follow_on, parents, publisher).await;
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
    publisher: &Publisher,
) -> Result<Confirmed, PublishError> {
    let (queue, kind, body) = match follow_on {
        FollowOn::Alert(alert) => (topology::ALERTS.to_owned(), kind::ALERT, alert_body(alert)),
        FollowOn::Delivery(delivery) => {
            (topology::his(&delivery.site_id), kind::DELIVERY, delivery_body(delivery))
        }
        FollowOn::Risk(risk) => (topology::RISK.to_owned(), kind::RISK, risk_body(risk)),
    };
    let mut headers = Headers { traceparent: parents.get(follow_on), ..Headers::default() };
    let id = Uuid::now_v7();
    let mut span = conventions::publish(&mut headers.traceparent, &queue, id);
    let result = publisher.publish_within(Message::work(&queue, id, kind, headers, body), CONFIRM).await;
    if result.is_err() {
        span.failed("not_confirmed");
    }
    result
}

fn alert_body(alert: &AlertFollowOn) -> Bytes {
    json(&AlertMessage {
        alert_id: alert.alert_id,
        submission_id: alert.submission_id,
        site_id: alert.site_id.clone(),
        study_id: alert.study_id.clone(),
        rule: alert.rule.clone(),
        // A severity that this version doesn't know is as bad as can be.
        severity: alert.severity.parse().unwrap_or(epro_schemas::instrument::Severity::Critical),
        received_at: alert.received_at,
        told: Vec::new(),
    })
}

fn delivery_body(delivery: &DeliveryFollowOn) -> Bytes {
    json(&DeliveryMessage {
        submission_id: delivery.submission_id,
        pseudonym: delivery.pseudonym,
        site_id: delivery.site_id.clone(),
        generation: delivery.generation,
    })
}

fn risk_body(risk: &RiskFollowOn) -> Bytes {
    json(&RiskMessage {
        submission_id: risk.submission_id,
        pseudonym: risk.pseudonym,
        study_id: risk.study_id.clone(),
    })
}

fn json<T: serde::Serialize>(message: &T) -> Bytes {
    // They are flat structs of strings, UUIDs and numbers: nothing in them can fail to serialize.
    serde_json::to_vec(message).map(Bytes::from).unwrap_or_default()
}
