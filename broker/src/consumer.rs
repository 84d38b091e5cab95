//! One subscription: deliveries come out, decisions go back in order.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

mod leaving;
mod tally;

use futures_util::{FutureExt, Stream};
use lapin::{
    Channel, ErrorKind,
    options::{BasicAckOptions, BasicConsumeOptions, BasicNackOptions},
    options::{BasicQosOptions, BasicRejectOptions},
    protocol::{AMQPErrorKind, AMQPSoftError},
    types::{AMQPValue, FieldTable, ShortString},
};
use tokio::time::timeout;

use crate::{
    connection::{Connection, PATIENCE},
    delivery::{Delivery, Desk},
    settle::{Frame, Ledger, Verdict},
};
use tally::Tally;

/// The priority of who is served first; others have none, which counts as 0.
const FIRST: i32 = 1;

/// A subscription to one queue, on a channel of its own.
pub struct Consumer {
    desk: Arc<Desk>,
    ledger: Ledger,
    /// None once the stream has ended: lapin's would be pending for ever.
    line: Option<Line>,
    end: Option<EndReason>,
    prefetch: usize,
    /// Decisions stay here for now.
    keeps_back: bool,
    /// It was ended by us: no delivery comes any more, and decisions are still sent.
    cancelled: bool,
    scratch: Vec<(u64, Verdict)>,
    tally: Tally,
}

/// Dropped, it closes the channel, and the broker takes back what is unsettled.
struct Line {
    stream: lapin::Consumer,
    channel: Channel,
}

/// Why a subscription didn't come about.
#[derive(Debug, thiserror::Error)]
pub enum SubscribeError {
    /// The queue isn't there: run `epro topology apply`.
    #[error("queue {queue} is missing: run `epro topology apply`")]
    Missing {
        /// Its name.
        queue: String,
    },
    /// The broker user may not read it.
    #[error("the broker refuses access to queue {queue}")]
    Refused {
        /// Its name.
        queue: String,
    },
    /// The connection ended or didn't answer.
    #[error("the broker went away: {0}")]
    Away(String),
}

/// Why decisions couldn't be handed to the broker. They are lost, and the messages come again.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// The channel is gone; subscribe anew.
    #[error("the channel ended before the decisions were sent")]
    ChannelGone,
}

/// Why a stream of deliveries ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The broker cancelled the subscription: the queue was deleted or moved.
    Cancelled,
    /// The channel or connection ended; what it said.
    Failed(String),
}

impl Consumer {
    /// Subscribes to `queue`, with at most `prefetch` deliveries undecided.
    pub async fn subscribe(
        connection: &Connection,
        queue: &str,
        prefetch: u16,
    ) -> Result<Self, SubscribeError> {
        Self::open(connection, queue, prefetch, FieldTable::default()).await
    }

    /// The same, served before those that subscribed without a priority: as long as this one may be handed more, they
    /// are handed nothing.
    pub async fn subscribe_first(
        connection: &Connection,
        queue: &str,
        prefetch: u16,
    ) -> Result<Self, SubscribeError> {
        let mut arguments = FieldTable::default();
        arguments.insert("x-priority".into(), AMQPValue::LongInt(FIRST));
        Self::open(connection, queue, prefetch, arguments).await
    }

    async fn open(
        connection: &Connection,
        queue: &str,
        prefetch: u16,
        arguments: FieldTable,
    ) -> Result<Self, SubscribeError> {
        let away = |error: &dyn std::fmt::Display| SubscribeError::Away(error.to_string());
        let channel = connection.channel().await.map_err(|error| away(&error))?;
        let name = ShortString::try_new(queue).map_err(|error| away(&error))?;
        let subscribing = async {
            // First the bound, then the messages: the client's own buffer has none.
            channel.basic_qos(prefetch, BasicQosOptions { global: false }).await?;
            let (tag, options) = (ShortString::default(), BasicConsumeOptions::default());
            channel.basic_consume(name, tag, options, arguments).await
        };
        let stream = timeout(PATIENCE, subscribing)
            .await
            .map_err(|_| away(&"no answer within 5 s"))?
            .map_err(|error| refusal(&error, queue))?;
        Ok(Self {
            desk: Arc::new(Desk::new(queue)),
            ledger: Ledger::default(),
            line: Some(Line { stream, channel }),
            end: None,
            // To the broker, 0 is no bound.
            prefetch: if prefetch == 0 { usize::MAX } else { prefetch.into() },
            keeps_back: false,
            cancelled: false,
            scratch: Vec::with_capacity(prefetch.into()),
            tally: Tally::new(queue),
        })
    }

    /// The next delivery; None once the stream has ended, and ever after. Cancel-safe.
    /// Before it waits it sends what has been decided; also past undecided deliveries if
    /// otherwise nothing more would come.
    pub async fn next(&mut self) -> Option<Delivery> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        let Some(line) = self.line.as_mut().filter(|_| !self.cancelled) else { return Poll::Ready(None) };
        match Pin::new(&mut line.stream).poll_next(cx) {
            Poll::Ready(Some(Ok(delivery))) => Poll::Ready(Some(self.received(delivery))),
            Poll::Ready(Some(Err(error))) => Poll::Ready(self.ended(EndReason::Failed(error.to_string()))),
            Poll::Ready(None) => Poll::Ready(self.ended(EndReason::Cancelled)),
            Poll::Pending => {
                // Before it looks: what is decided from here on wakes it.
                self.desk.watch(cx.waker());
                if !self.keeps_back {
                    // If the channel is gone the stream says so next.
                    let _ = self.send_decided(self.is_full());
                }
                Poll::Pending
            }
        }
    }

    fn received(&mut self, delivery: lapin::message::Delivery) -> Delivery {
        self.ledger.received(delivery.delivery_tag);
        self.tally.received(delivery.redelivered);
        Delivery::new(delivery, self.desk.clone())
    }

    /// No late acks: a cancelled subscription that is acked comes alive again on RabbitMQ 4.3,
    /// for nobody. Its channel is closed, and what is unsettled comes again.
    fn ended(&mut self, reason: EndReason) -> Option<Delivery> {
        self.desk.close();
        self.line = None;
        self.end = Some(reason);
        None
    }

    /// Sends what has been decided: acks up to the first undecided delivery, and everything
    /// given back. Cancel-safe.
    pub async fn settle(&mut self) -> Result<(), SettleError> {
        finish(self.send_decided(false)?).await
    }

    /// The same, and acks past undecided deliveries too, one by one.
    pub async fn settle_past_stragglers(&mut self) -> Result<(), SettleError> {
        finish(self.send_decided(true)?).await
    }

    /// Hands the frames over without waiting, so that nothing can come between them.
    fn send_decided(&mut self, past_stragglers: bool) -> Result<Option<Sending<'_>>, SettleError> {
        let Some(line) = &self.line else { return Err(SettleError::ChannelGone) };
        self.desk.take(&mut self.scratch);
        if self.scratch.is_empty() && !past_stragglers {
            return Ok(None);
        }
        for (tag, verdict) in self.scratch.drain(..) {
            self.tally.decided(verdict);
            self.ledger.decide(tag, verdict);
        }
        hand_over(&line.channel, &self.ledger.take(past_stragglers))
    }

    /// Why the stream ended; None while it runs.
    pub fn end_reason(&self) -> Option<&EndReason> {
        self.end.as_ref()
    }

    /// Deliveries handed out whose decision hasn't been sent.
    pub fn outstanding(&self) -> usize {
        self.ledger.outstanding()
    }

    /// As many are handed out as may be without a decision that was sent: the broker hands out no more.
    pub fn is_full(&self) -> bool {
        self.ledger.outstanding() >= self.prefetch
    }

    /// The queue's name.
    pub fn queue(&self) -> &str {
        self.desk.queue()
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.desk.close();
    }
}

fn refusal(error: &lapin::Error, queue: &str) -> SubscribeError {
    let queue = queue.to_owned();
    match soft_error(error) {
        Some(AMQPSoftError::NOTFOUND) => SubscribeError::Missing { queue },
        Some(AMQPSoftError::ACCESSREFUSED) => SubscribeError::Refused { queue },
        _ => SubscribeError::Away(error.to_string()),
    }
}

/// The channel-level error that the broker answered with, if it did.
pub(crate) fn soft_error(error: &lapin::Error) -> Option<&AMQPSoftError> {
    match error.kind() {
        ErrorKind::ProtocolError(error) => match error.kind() {
            AMQPErrorKind::Soft(soft) => Some(soft),
            AMQPErrorKind::Hard(_) => None,
        },
        _ => None,
    }
}

/// A frame that is handed over but perhaps not written yet.
type Sending<'a> = Pin<Box<dyn Future<Output = lapin::Result<()>> + Send + 'a>>;

/// Puts the frames in line in their order. lapin does so at the first poll of each call, so one
/// poll each is enough, and a dropped future takes nothing back. Returns the last one, which is
/// written after all others.
fn hand_over<'a>(channel: &'a Channel, frames: &[Frame]) -> Result<Option<Sending<'a>>, SettleError> {
    let mut last = None;
    for frame in frames {
        let mut sending = send(channel, *frame);
        match (&mut sending).now_or_never() {
            Some(Ok(())) => {}
            Some(Err(_)) => return Err(SettleError::ChannelGone),
            None => last = Some(sending),
        }
    }
    Ok(last)
}

fn send(channel: &Channel, frame: Frame) -> Sending<'_> {
    let ack = |tag, multiple| channel.basic_ack(tag, BasicAckOptions { multiple });
    let nack = |tag, multiple| channel.basic_nack(tag, BasicNackOptions { multiple, requeue: true });
    match frame {
        Frame::AckUpTo(tag) => Box::pin(ack(tag, true)),
        Frame::AckOne(tag) => Box::pin(ack(tag, false)),
        Frame::Nack(tag) => Box::pin(nack(tag, false)),
        Frame::NackUpTo(tag) => Box::pin(nack(tag, true)),
        Frame::Reject(tag) => Box::pin(channel.basic_reject(tag, BasicRejectOptions { requeue: true })),
    }
}

async fn finish(sending: Option<Sending<'_>>) -> Result<(), SettleError> {
    match sending {
        Some(sending) => sending.await.map_err(|_| SettleError::ChannelGone),
        None => Ok(()),
    }
}
