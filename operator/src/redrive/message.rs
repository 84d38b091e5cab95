//! The message that a dead letter was, on its way again.
//!
//! A delivery to a hospital gets a new generation first, a question for a risk model a new budget: its row says
//! `unsent` until the relay, or this redrive, has published it.

use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use epro_broker::{Headers, Message, PublishError, Publisher, PublisherState};
use epro_process::traces;
use epro_process::traces::conventions;
use epro_schemas::alert::{DeliveryMessage, RiskMessage};
use epro_schemas::kind;
use epro_schemas::seal::KeyRing;
use epro_store::audit::AuditFacts;
use epro_store::dead_letters::DeadLetterRow;
use epro_store::deliveries::Renewed;
use epro_store::follow_ons::FollowOn;
use epro_store::{AuditChain, Store, StoreError};
use uuid::Uuid;

/// How long the confirm of one message may take, the connection included.
const WITHIN: Duration = Duration::from_secs(15);

/// RabbitMQ doesn't take anything now, whatever the message.
#[derive(Debug)]
pub(super) struct Away(String);

impl std::fmt::Display for Away {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RabbitMQ: {}", self.0)
    }
}

impl std::error::Error for Away {}

/// What a message turned out to be.
pub(super) enum FollowsOn {
    /// No follow-on with a row, or none that is known.
    None,
    /// Its row is as new.
    Renewed(FollowOn),
    /// It is done, or superseded.
    Over(String),
}

/// The message again, as it came. It goes on in its own trace; one that never had any goes on in that of the redrive,
/// but for a delivery, for which the worker finds that of its submission.
pub(super) fn of(ring: &KeyRing, found: DeadLetterRow, trace_id: Option<&str>) -> anyhow::Result<Message> {
    let summary = found.summary;
    let message_id = summary.message_id.unwrap_or_else(Uuid::now_v7);
    let body = if found.wrapped {
        let bound_to = summary.message_id.unwrap_or(Uuid::nil());
        ring.open(kind::DEAD_LETTER, bound_to, &found.body).context("the seal of the dead letter")?
    } else {
        found.body
    };
    let shown = found.headers.as_object().into_iter().flatten();
    let shown = shown.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
    let (kind, mut headers) = (summary.kind.unwrap_or_default(), Headers::redriven(shown));
    if headers.traceparent.is_none() && kind != kind::DELIVERY {
        headers.traceparent = trace_id.and_then(traces::continued);
    }
    Ok(Message::work(&summary.queue, message_id, &kind, headers, Bytes::from(body)))
}

/// Makes a follow-on's row as new, and its message one of that row.
pub(super) async fn renew(
    store: &Store,
    chain: &mut AuditChain,
    why: (&AuditFacts, &str),
    message: &mut Message,
) -> anyhow::Result<FollowsOn> {
    match message.kind.as_str() {
        kind::DELIVERY => renew_delivery(store, chain, why, message).await,
        kind::RISK => Ok(renew_risk(store, chain, why, message).await?),
        _ => Ok(FollowsOn::None),
    }
}

async fn renew_delivery(
    store: &Store,
    chain: &mut AuditChain,
    (by, reason): (&AuditFacts, &str),
    message: &mut Message,
) -> anyhow::Result<FollowsOn> {
    let Ok(mut body) = serde_json::from_slice::<DeliveryMessage>(&message.body) else {
        return Ok(FollowsOn::None);
    };
    let key = (body.submission_id, body.pseudonym);
    Ok(match store.renew_delivery(chain, key, by.clone(), reason).await? {
        Renewed::Now(follow_on) => {
            body.generation = follow_on.generation;
            message.body = serde_json::to_vec(&body)?.into();
            message.message_id = Uuid::now_v7();
            FollowsOn::Renewed(FollowOn::Delivery(follow_on))
        }
        Renewed::Over(state) => FollowsOn::Over(state),
        Renewed::Absent => FollowsOn::None,
    })
}

async fn renew_risk(
    store: &Store,
    chain: &mut AuditChain,
    (by, reason): (&AuditFacts, &str),
    message: &mut Message,
) -> Result<FollowsOn, StoreError> {
    let Ok(body) = serde_json::from_slice::<RiskMessage>(&message.body) else {
        return Ok(FollowsOn::None);
    };
    let key = (body.submission_id, body.pseudonym);
    let renewed = store.renew_risk(chain, key, by.clone(), reason).await?;
    message.message_id = Uuid::now_v7();
    Ok(renewed.map_or(FollowsOn::Over("done".into()), |risk| FollowsOn::Renewed(FollowOn::Risk(risk))))
}

/// Publishes it and waits for the broker's confirm.
///
/// # Errors
/// [`Away`] if the next message would fare no better; anything else is about this message or its queue.
pub(super) async fn publish(publisher: &Publisher, mut message: Message) -> anyhow::Result<()> {
    let mut state = publisher.watch();
    let connected = state.wait_for(|state| *state == PublisherState::Connected);
    match tokio::time::timeout(WITHIN, connected).await {
        Ok(Ok(_)) => {}
        Ok(Err(_)) | Err(_) => return Err(Away("it doesn't answer".into()).into()),
    }
    let place = &mut message.headers.traceparent;
    let mut span = conventions::publish(place, &message.routing_key, message.message_id);
    let published = publisher.publish_within(message, WITHIN).await;
    if published.is_err() {
        span.failed("not_confirmed");
    }
    match published {
        Ok(_) => Ok(()),
        Err(
            error @ (PublishError::Returned { .. } | PublishError::Nacked | PublishError::Unsendable { .. }),
        ) => Err(error.into()),
        Err(error) => Err(Away(error.to_string()).into()),
    }
}
