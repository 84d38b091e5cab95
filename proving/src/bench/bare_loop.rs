//! The limit of the worker: consume, the same INSERTs, ack, nothing else.
//!
//! Like the worker it takes chunks of 256, keeps three of them under way on a connection each, has the
//! worker's prefetch and frame size, is as warm when it begins, and acks with `multiple` as far as everything below is
//! committed. Unlike the worker it doesn't open, parse, check, score or hash anything: the rows are
//! those that the worker wrote for the same messages, looked up by message id. What the audit trail
//! costs shows where it hashes, too, beside itself without the trail ([`Writes`]).

use std::collections::VecDeque;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Confirmation, Connection};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

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
    /// What it writes.
    pub writes: Writes,
}

/// What a loop writes of what the worker wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writes {
    /// All of it.
    Rows,
    /// The same, and each row of the audit trail is hashed, as the worker does it.
    RowsAndHashes,
    /// All but the trail: its rows aren't even sent.
    NoTrail,
}

/// Transactions under way at once, as in the worker's lane.
const COMMITS: usize = 3;

/// A chunk that has its rows: its last tag and what was inserted.
type Chunk = (u64, Vec<Uuid>);

/// Consumes `count` messages of the routine queue into the tables.
pub async fn run(shape: &Shape, rows: &Arc<Rows>, count: usize) -> Result<()> {
    share(shape, rows, &watch::Sender::new(count)).await
}

/// So many loops, each with connections of its own, consume `count` messages between them.
pub async fn together(shape: &Shape, rows: &Arc<Rows>, count: usize, loops: usize) -> Result<()> {
    let left = Arc::new(watch::Sender::new(count));
    let mut running = JoinSet::new();
    for _ in 0..loops {
        let (shape, rows, left) = (shape.clone(), Arc::clone(rows), Arc::clone(&left));
        running.spawn(async move { share(&shape, &rows, &left).await });
    }
    while let Some(done) = running.join_next().await {
        done??;
    }
    Ok(())
}

/// One loop, until all of them together have acked what is left.
async fn share(shape: &Shape, rows: &Arc<Rows>, left: &watch::Sender<usize>) -> Result<()> {
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
    for _ in 0..COMMITS {
        idle.push(Arc::new(Slot::open(shape).await?));
    }
    let mut running = JoinSet::new();
    let mut frontier = Frontier::default();
    let mut hand = Hand::default();
    let mut others = left.subscribe();
    while *left.borrow() > 0 {
        if hand.is_due(shape)
            && let Some(slot) = idle.pop()
        {
            let chunk = hand.take(shape);
            frontier.begin(chunk.0, chunk.1.len());
            running.spawn(work(slot, Arc::clone(rows), chunk));
        }
        tokio::select! {
            Some(done) = running.join_next() => {
                let (slot, tag) = done??;
                idle.push(slot);
                if let Some((tag, more)) = frontier.done(tag) {
                    channel.basic_ack(tag, BasicAckOptions { multiple: true }).await?;
                    left.send_modify(|left| *left = left.saturating_sub(more));
                }
            }
            () = hand.due(shape), if !idle.is_empty() => {}
            delivery = consumer.next() => {
                let delivery = delivery.context("the queue ended")??;
                hand.put(delivery.delivery_tag, id(&delivery.properties)?);
            }
            // Whoever acks the last one ends the others, too.
            _ = others.changed() => {}
        }
    }
    connection.close(200, "done".into()).await?;
    Ok(())
}

/// What came and isn't under way.
#[derive(Default)]
struct Hand {
    came: VecDeque<(u64, Uuid)>,
    first_at: Option<Instant>,
}

impl Hand {
    fn put(&mut self, tag: u64, id: Uuid) {
        self.first_at.get_or_insert_with(Instant::now);
        self.came.push_back((tag, id));
    }

    /// Full, or waited long enough.
    fn is_due(&self, shape: &Shape) -> bool {
        self.came.len() >= shape.chunk || self.first_at.is_some_and(|first| first.elapsed() >= shape.linger)
    }

    fn take(&mut self, shape: &Shape) -> Chunk {
        let some: Vec<_> = self.came.drain(..self.came.len().min(shape.chunk)).collect();
        self.first_at = (!self.came.is_empty()).then(Instant::now);
        let last = some.last().map_or(0, |(tag, _)| *tag);
        (last, some.into_iter().map(|(_, id)| id).collect())
    }

    async fn due(&self, shape: &Shape) {
        match self.first_at {
            Some(first) => tokio::time::sleep_until(first + shape.linger).await,
            None => std::future::pending().await,
        }
    }
}

/// One connection that inserts, and one that publishes follow-ons.
struct Slot {
    inserter: Inserter,
    follow_on: Option<(Channel, Message)>,
    _connection: Option<Connection>,
}

impl Slot {
    async fn open(shape: &Shape) -> Result<Self> {
        let inserter = Inserter::open(&shape.postgres, shape.writes).await?;
        // Nothing is inserted, and PostgreSQL has read what it has to know of the tables.
        inserter.insert(&[]).await?;
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
    chunks: VecDeque<(u64, usize, bool)>,
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
    fn the_bare_loop_has_as_many_transactions_under_way_as_the_worker() {
        let chains = include_str!("../../../worker/src/chains.rs");
        assert!(chains.contains(&format!("const COMMITS: usize = {COMMITS};")));
    }

    #[test]
    fn nothing_is_acked_above_a_chunk_that_is_still_under_way() {
        let mut frontier = Frontier::default();
        frontier.begin(256, 256);
        frontier.begin(300, 44);
        assert_eq!(frontier.done(300), None);
        assert_eq!(frontier.done(256), Some((300, 300)));
    }
}
