//! Bare confirmed publishing: one task that owns its channel, as the facts recommend, and
//! nothing else. It is the limit that the API is measured against.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use tokio::time::Instant;

use super::load::Went;

/// A message as it lies in a queue, to be published again.
#[derive(Clone, Debug)]
pub struct Message {
    /// Exchange.
    pub exchange: String,
    /// Routing key.
    pub key: String,
    /// All properties, with the headers of ours.
    pub properties: BasicProperties,
    /// The sealed body.
    pub body: Vec<u8>,
}

/// Publishes all with `outstanding` unconfirmed at most; an error unless each is confirmed.
pub async fn closed(url: &str, messages: &Arc<Vec<Message>>, outstanding: usize) -> Result<Went> {
    let (_connection, channel) = channel(url).await?;
    let start = Instant::now();
    let mut flying = FuturesUnordered::new();
    let mut latencies = Vec::with_capacity(messages.len());
    for message in messages.iter() {
        while flying.len() >= outstanding {
            latencies.push(flying.next().await.context("nothing in flight")??);
        }
        flying.push(publish(&channel, message, Instant::now()));
    }
    while let Some(done) = flying.next().await {
        latencies.push(done?);
    }
    Ok(Went { start, took: start.elapsed(), latencies })
}

/// Publishes at a fixed rate a second; a latency counts from when its turn was.
pub async fn open(url: &str, messages: &Arc<Vec<Message>>, rate: f64) -> Result<Went> {
    let (_connection, channel) = channel(url).await?;
    let start = Instant::now();
    let mut flying = FuturesUnordered::new();
    let mut latencies = Vec::with_capacity(messages.len());
    for (at, message) in messages.iter().enumerate() {
        let due = start + Duration::from_secs_f64(at as f64 / rate);
        let turn = tokio::time::sleep_until(due);
        tokio::pin!(turn);
        loop {
            tokio::select! {
                () = &mut turn => break,
                Some(done) = flying.next() => latencies.push(done?),
            }
        }
        let channel = &channel;
        flying.push(async move { publish(channel, message, due).await.map(|took| (at, took)) });
    }
    while let Some(done) = flying.next().await {
        latencies.push(done?);
    }
    let took = start.elapsed();
    // As of the requests, those of the first second are none.
    let warm = latencies.into_iter().filter(|(at, _)| *at >= rate as usize);
    Ok(Went { start, took, latencies: warm.map(|(_, took)| took).collect() })
}

async fn channel(url: &str) -> Result<(Connection, Channel)> {
    let properties = ConnectionProperties::default().with_connection_name("bench-publisher".into());
    let connection = Connection::connect(url, properties).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok((connection, channel))
}

async fn publish(channel: &Channel, message: &Message, since: Instant) -> Result<Duration> {
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    let confirm = channel
        .basic_publish(
            message.exchange.as_str().into(),
            message.key.as_str().into(),
            options,
            &message.body,
            message.properties.clone(),
        )
        .await?
        .await?;
    ensure!(matches!(confirm, Confirmation::Ack(None)), "the bare publisher was not confirmed");
    Ok(since.elapsed())
}
