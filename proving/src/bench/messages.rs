//! Messages as the API publishes them: taken from the queue once, published again every round.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueuePurgeOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection};
use uuid::Uuid;

use super::publisher::Message;
use crate::sealed::{Envelope, Keys, SUBMISSION};
use crate::vhost::{Vhost, ready};

/// Where intake puts what doesn't alert.
pub const ROUTINE: &str = "epro.submissions.routine";

/// Takes exactly `count` messages out of a queue.
pub async fn take(url: &str, queue: &str, count: usize) -> Result<Arc<Vec<Message>>> {
    let connection = Connection::connect(url, Default::default()).await?;
    let channel = connection.create_channel().await?;
    let lying = ready(&channel, queue).await?;
    ensure!(lying as usize == count, "{queue} holds {lying} messages, not {count}");
    channel.basic_qos(1000, BasicQosOptions::default()).await?;
    let mut consumer = channel
        .basic_consume(queue.into(), "bench".into(), BasicConsumeOptions::default(), FieldTable::default())
        .await?;
    let mut messages = Vec::with_capacity(count);
    while messages.len() < count {
        let delivery = consumer.next().await.context("the queue ended")??;
        if messages.len() % 500 == 499 || messages.len() + 1 == count {
            channel.basic_ack(delivery.delivery_tag, BasicAckOptions { multiple: true }).await?;
        }
        messages.push(Message {
            exchange: delivery.exchange.as_str().to_owned(),
            key: delivery.routing_key.as_str().to_owned(),
            properties: delivery.properties,
            body: delivery.data,
        });
    }
    connection.close(200, "taken".into()).await?;
    Ok(Arc::new(messages))
}

/// Empties queues.
pub async fn purge(vhost: &Vhost, names: &[&str]) -> Result<()> {
    let connection = vhost.connect().await?;
    let channel = connection.create_channel().await?;
    for name in names {
        channel.queue_purge((*name).into(), QueuePurgeOptions::default()).await?;
    }
    connection.close(200, "purged".into()).await?;
    Ok(())
}

/// The id of a message.
pub fn id(properties: &BasicProperties) -> Result<Uuid> {
    let text = properties.message_id().as_ref().context("a message without an id")?;
    Ok(text.as_str().parse()?)
}

/// Another submission in the same wrapping: own id, own message id, sealed by our own hands.
pub fn forge(template: &Message, keys: &Keys) -> Result<Message> {
    let plain = keys.open(SUBMISSION, id(&template.properties)?, &template.body)?;
    let envelope = Envelope::read(&plain)?;
    let (old, fresh) = (envelope.submission_id()?.to_string(), Uuid::now_v7().to_string());
    // The received bytes are the end of the envelope; what goes before them stays as it was.
    let (head, bytes) = plain.split_at(plain.len() - envelope.bytes.len());
    let mut plain = head.to_vec();
    plain.extend(String::from_utf8_lossy(bytes).replace(&old, &fresh).into_bytes());
    let message_id = Uuid::now_v7();
    Ok(Message {
        body: keys.seal(SUBMISSION, message_id, &plain)?,
        properties: template.properties.clone().with_message_id(message_id.to_string().into()),
        ..template.clone()
    })
}
