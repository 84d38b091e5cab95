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
use epro_schemas::seal::{KeyRing, OpenError};
use epro_schemas::sealed::{ReadError, Says, SealedBody};
use epro_store::audit::AuditFacts;
use epro_store::dead_letters::DeadLetterRow;
use epro_store::deliveries::Renewed;
use epro_store::follow_ons::FollowOn;
use epro_store::{AuditChain, Store};
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

/// The message again, as it came: its own seal stays closed. It goes on in its own trace; one that never had any goes
/// on in that of the redrive, but for a delivery, for which the worker finds that of its submission.
#[allow(clippy::disallowed_methods, reason = "what is redriven goes as it came")]
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
    let body = SealedBody::as_it_came(kind, message_id, Bytes::from(body));
    Ok(Message::work(&summary.queue, headers, body))
}

/// Makes a follow-on's row as new, and its message one of that row: another one, under a seal of its own.
///
/// # Errors
/// Among others: the key that sealed it isn't known here, so that nobody can say which row it is of.
pub(super) async fn renew(
    ring: &KeyRing,
    store: &Store,
    chain: &mut AuditChain,
    why: (&AuditFacts, &str),
    message: &mut Message,
) -> anyhow::Result<FollowsOn> {
    match message.body().kind() {
        kind::DELIVERY => renew_delivery(ring, store, chain, why, message).await,
        kind::RISK => renew_risk(ring, store, chain, why, message).await,
        _ => Ok(FollowsOn::None),
    }
}

async fn renew_delivery(
    ring: &KeyRing,
    store: &Store,
    chain: &mut AuditChain,
    (by, reason): (&AuditFacts, &str),
    message: &mut Message,
) -> anyhow::Result<FollowsOn> {
    let Some(mut body) = said::<DeliveryMessage>(ring, message)? else { return Ok(FollowsOn::None) };
    let key = (body.submission_id, body.pseudonym);
    Ok(match store.renew_delivery(chain, key, by.clone(), reason).await? {
        Renewed::Now(follow_on) => {
            body.generation = follow_on.generation;
            message.says_now(ring.body(Uuid::now_v7(), &body)?);
            FollowsOn::Renewed(FollowOn::Delivery(follow_on))
        }
        Renewed::Over(state) => FollowsOn::Over(state),
        Renewed::Absent => FollowsOn::None,
    })
}

async fn renew_risk(
    ring: &KeyRing,
    store: &Store,
    chain: &mut AuditChain,
    (by, reason): (&AuditFacts, &str),
    message: &mut Message,
) -> anyhow::Result<FollowsOn> {
    let Some(body) = said::<RiskMessage>(ring, message)? else { return Ok(FollowsOn::None) };
    let key = (body.submission_id, body.pseudonym);
    let renewed = store.renew_risk(chain, key, by.clone(), reason).await?;
    message.says_now(ring.body(Uuid::now_v7(), &body)?);
    Ok(renewed.map_or(FollowsOn::Over("done".into()), |risk| FollowsOn::Renewed(FollowOn::Risk(risk))))
}

/// What it says, if one of ours has sealed it.
fn said<S: Says>(ring: &KeyRing, message: &Message) -> anyhow::Result<Option<S>> {
    match ring.read(message.message_id(), message.body().bytes()) {
        Ok(says) => Ok(Some(says)),
        Err(ReadError::Closed(OpenError::UnknownKey { .. })) => {
            anyhow::bail!("the key that sealed it isn't known here")
        }
        Err(_) => Ok(None),
    }
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
    let id = message.message_id();
    let mut span = conventions::publish(&mut message.headers.traceparent, &message.routing_key, id);
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
