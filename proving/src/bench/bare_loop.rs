//! The limit of the worker: consume, the same INSERTs, ack, nothing else.
//!
//! Like the worker it takes chunks of 256, keeps two of them under way on a connection each, has the
//! worker's prefetch and frame size, and acks with `multiple` as far as everything below is
//! committed. Unlike the worker it doesn't open, parse, check, score or hash anything: the rows are
//! those that the worker wrote for the same messages, looked up by message id.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Confirmation, Connection, Consumer};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::inserts::Inserter;
use super::messages::id;
use super::publisher::Message;
use super::rows::{Row, Rows};

/// How a loop works.
#[derive(Clone, Debug)]
pub struct Shape {
    /// AMQP URL, with the worker's frame size.
    pub broker: String,
    /// PostgreSQL URL.
    pub postgres: String,
    /// Submissions in a full chunk.
    pub chunk: usize,
    /// How long an unfilled chunk waits.
    pub linger: std::time::Duration,
    /// Unacked deliveries.
    pub prefetch: u16,
    /// A follow-on to publish for each submission before it is acked, if the worker does so too.
    pub follow_on: Option<Message>,
}

/// Chunks under way at once.
const SLOTS: usize = 2;

/// A chunk that has its rows: its last tag and what was inserted.
type Chunk = (u64, Vec<uuid::Uuid>);

/// Consumes `count` messages of the routine queue into the tables.
pub async fn run(shape: &Shape, rows: &Arc<Rows>, count: usize) -> Result<()> {
    let connection = Connection::connect(&shape.broker, Default::default()).await?;
    let channel = connection.create_channel().await?;
    channel.basic_qos(shape.prefetch, BasicQosOptions::default()).await?;
    let mut consumer = channel
        .basic_consume(
            super::messages::ROUTINE.into(),
            "bare".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await?;
    let mut idle = Vec::new();
    for _ in 0..SLOTS {
        idle.push(Arc::new(Slot::open(shape).await?));
    }
    let mut running = JoinSet::new();
    let mut frontier = Frontier::default();
    let (mut taken, mut acked) = (0, 0);
    while acked < count {
        if taken < count
            && let Some(slot) = idle.pop()
        {
            let chunk = fill(&mut consumer, shape).await?;
            taken += chunk.1.len();
            frontier.begin(chunk.0, chunk.1.len());
            running.spawn(work(slot, Arc::clone(rows), chunk));
            continue;
        }
        let done = running.join_next().await.context("nothing under way")?;
        let (slot, tag) = done??;
        idle.push(slot);
        if let Some((tag, more)) = frontier.done(tag) {
            channel.basic_ack(tag, BasicAckOptions { multiple: true }).await?;
            acked += more;
        }
    }
    connection.close(200, "done".into()).await?;
    Ok(())
}

/// Takes what comes until the chunk is full, or due after its first.
async fn fill(consumer: &mut Consumer, shape: &Shape) -> Result<Chunk> {
    let mut ids = Vec::with_capacity(shape.chunk);
    let mut due = Instant::now() + std::time::Duration::from_secs(60);
    let mut last = 0;
    while ids.len() < shape.chunk {
        match timeout_at(due, consumer.next()).await {
            Ok(delivery) => {
                let delivery = delivery.context("the queue ended")??;
                if ids.is_empty() {
                    due = Instant::now() + shape.linger;
                }
                last = delivery.delivery_tag;
                ids.push(id(&delivery.properties)?);
            }
            Err(_) => break,
        }
    }
    ensure!(!ids.is_empty(), "nothing came for a minute");
    Ok((last, ids))
}

/// One connection that inserts, and one that publishes follow-ons.
struct Slot {
    inserter: Inserter,
    follow_on: Option<(Channel, Message)>,
    _connection: Option<Connection>,
}

impl Slot {
    async fn open(shape: &Shape) -> Result<Self> {
        let inserter = Inserter::open(&shape.postgres).await?;
        let Some(message) = shape.follow_on.clone() else {
            return Ok(Self { inserter, follow_on: None, _connection: None });
        };
        let connection = Connection::connect(&shape.broker, Default::default()).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Self { inserter, follow_on: Some((channel, message)), _connection: Some(connection) })
    }
}

async fn work(slot: Arc<Slot>, rows: Arc<Rows>, (tag, ids): Chunk) -> Result<(Arc<Slot>, u64)> {
    let mut chunk: Vec<&Row> = Vec::with_capacity(ids.len());
    for id in &ids {
        chunk.push(rows.get(id).context("a message whose rows the worker never wrote")?);
    }
    chunk.sort_by_key(|row| (row.submission_id, row.pseudonym));
    slot.inserter.insert(&chunk).await?;
    if let Some((channel, message)) = &slot.follow_on {
        let mut flying: FuturesUnordered<_> = ids.iter().map(|_| confirmed(channel, message)).collect();
        while let Some(done) = flying.next().await {
            done?;
        }
    }
    Ok((slot, tag))
}

async fn confirmed(channel: &Channel, message: &Message) -> Result<()> {
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    let (exchange, key) = (message.exchange.as_str().into(), message.key.as_str().into());
    let sent =
        channel.basic_publish(exchange, key, options, &message.body, message.properties.clone()).await?;
    ensure!(matches!(sent.await?, Confirmation::Ack(None)), "a follow-on was not confirmed");
    Ok(())
}

/// How far everything is committed: chunks end in another order than they began.
#[derive(Default)]
struct Frontier {
    chunks: std::collections::VecDeque<(u64, usize, bool)>,
}

impl Frontier {
    fn begin(&mut self, tag: u64, size: usize) {
        self.chunks.push_back((tag, size, false));
    }

    /// The tag to ack up to, and how many deliveries that acks.
    fn done(&mut self, tag: u64) -> Option<(u64, usize)> {
        for chunk in self.chunks.iter_mut().filter(|chunk| chunk.0 == tag) {
            chunk.2 = true;
        }
        let mut acked = None;
        while let Some((tag, size, true)) = self.chunks.front().copied() {
            self.chunks.pop_front();
            acked = Some((tag, acked.map_or(0, |(_, before)| before) + size));
        }
        acked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_acked_above_a_chunk_that_is_still_under_way() {
        let mut frontier = Frontier::default();
        frontier.begin(256, 256);
        frontier.begin(300, 44);
        assert_eq!(frontier.done(300), None);
        assert_eq!(frontier.done(256), Some((300, 300)));
    }
}
