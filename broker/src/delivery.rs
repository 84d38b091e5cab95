//! One handing of a message to us.

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use epro_schemas::receipt::Receipt;
use futures_util::task::AtomicWaker;
use lapin::{Acker, BasicProperties, types::ShortString};
use uuid::Uuid;

use crate::{
    message::{Headers, wire},
    settle::Verdict,
};

/// One handing of a message to us; settled by value. Dropped unsettled it is given back as a
/// failed try, and counted.
#[must_use = "a delivery is settled: ack, release or requeue"]
pub struct Delivery {
    tag: u64,
    routing_key: ShortString,
    redelivered: bool,
    settled: bool,
    /// Shared, as a dead letter writes the headers down later, if at all.
    properties: Arc<BasicProperties>,
    body: Bytes,
    acker: Acker,
    desk: Arc<Desk>,
}

/// Where the broker last dead-lettered a message, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Death {
    /// `rejected`, `expired`, `maxlen`, `delivery_limit`.
    pub reason: String,
    /// The queue it died in.
    pub queue: String,
}

/// The headers of a delivery, kept beyond it: a dead letter writes them down, if one is made at all.
#[derive(Clone)]
pub struct RawHeaders(Arc<BasicProperties>);

impl RawHeaders {
    /// Header names and values for a dead letter; an unknown one as `#3`, without its value, and so the
    /// name of a study, a site or a key that `is_ours` doesn't know.
    pub fn shown(&self, is_ours: impl Fn(&str) -> bool) -> Vec<(String, String)> {
        wire::shown(&self.0, is_ours)
    }
}

impl Delivery {
    pub(crate) fn new(from: lapin::message::Delivery, desk: Arc<Desk>) -> Self {
        let lapin::message::Delivery {
            delivery_tag: tag,
            routing_key,
            redelivered,
            properties,
            data,
            acker,
            ..
        } = from;
        Self {
            tag,
            routing_key,
            redelivered,
            settled: false,
            properties: Arc::new(properties),
            body: data.into(),
            acker,
            desk,
        }
    }

    /// The bytes; cheap to clone.
    pub fn body(&self) -> Bytes {
        self.body.clone()
    }

    /// The message's id, if it is a UUID.
    pub fn message_id(&self) -> Option<Uuid> {
        self.properties.message_id().as_ref()?.as_str().parse().ok()
    }

    /// What the body is, such as `epro.submission.v1`; `None` where it isn't a type of our form.
    pub fn kind(&self) -> Option<&str> {
        wire::kind(&self.properties)
    }

    /// The headers of ours.
    pub fn headers(&self) -> Headers {
        wire::read(&self.properties)
    }

    /// The W3C trace context of its header, if it has our form.
    pub fn traceparent(&self) -> Option<&str> {
        wire::traceparent(&self.properties)
    }

    /// How often it was parked and the Unix milliseconds of the first time; `None`: never. As cheap as one header.
    pub fn waited(&self) -> Option<(u32, Option<i64>)> {
        wire::waited(&self.properties)
    }

    /// Unix seconds at which it was published, by its publisher's clock.
    pub fn published_at(&self) -> Option<u64> {
        *self.properties.timestamp()
    }

    /// Whether the broker has handed it out before.
    pub fn redelivered(&self) -> bool {
        self.redelivered
    }

    /// The queue it came from.
    pub fn queue(&self) -> &str {
        &self.desk.queue
    }

    /// The same name, shared by all deliveries of the subscription.
    pub fn shared_queue(&self) -> Arc<str> {
        self.desk.queue.clone()
    }

    /// The name of the work queue that it was last published for; it stays through waits and deaths.
    /// `None` where its routing key isn't such a name by its form.
    pub fn work_queue(&self) -> Option<&str> {
        Some(self.routing_key.as_str()).filter(|key| wire::is_work_queue(key))
    }

    /// Where the broker last dead-lettered it; a wait's end is such a death too.
    pub fn death(&self) -> Option<Death> {
        let (reason, queue) = wire::last_death(&self.properties)?;
        Some(Death { reason: reason.to_owned(), queue: queue.to_owned() })
    }

    /// Whether its decision can still reach the broker. Ask before the work: a process that
    /// was stopped for long may hold deliveries that went to someone else.
    pub fn is_live(&self) -> bool {
        self.desk.is_open() && !self.acker.poisoned()
    }

    /// Its headers, for a dead letter; cheap to clone.
    pub fn raw_headers(&self) -> RawHeaders {
        RawHeaders(self.properties.clone())
    }

    /// Done: the broker may forget it, because what it carried is safe elsewhere.
    pub fn ack(self, receipt: &impl Receipt) {
        let _proof = receipt;
        self.settle(Verdict::Ack);
    }

    /// Gives it back, not its fault.
    pub fn release(self) {
        self.settle(Verdict::Release);
    }

    /// Gives it back as a failed try.
    pub fn requeue(self) {
        self.settle(Verdict::Requeue);
    }

    fn settle(mut self, verdict: Verdict) {
        self.settled = true;
        self.desk.decide(self.tag, verdict);
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if !self.settled {
            self.desk.dropped.increment(1);
            self.desk.decide(self.tag, Verdict::Requeue);
        }
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("queue", &self.queue())
            .field("tag", &self.tag)
            .field("redelivered", &self.redelivered)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Where the deliveries of one subscription leave their verdicts for the consumer to send.
/// Bounded by the prefetch: each delivery leaves one.
pub(crate) struct Desk {
    queue: Arc<str>,
    verdicts: Mutex<Vec<(u64, Verdict)>>,
    /// Wakes a consumer that waits for its next delivery.
    consumer: AtomicWaker,
    open: AtomicBool,
    dropped: metrics::Counter,
}

impl Desk {
    pub(crate) fn new(queue: &str) -> Self {
        Self {
            queue: queue.into(),
            verdicts: Mutex::default(),
            consumer: AtomicWaker::new(),
            open: AtomicBool::new(true),
            dropped: metrics::counter!("epro_deliveries_dropped_total", "queue" => queue.to_owned()),
        }
    }

    pub(crate) fn queue(&self) -> &str {
        &self.queue
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// The channel is gone: no verdict can reach the broker any more.
    pub(crate) fn close(&self) {
        self.open.store(false, Ordering::Release);
        self.verdicts().clear();
    }

    /// The task to wake at the first verdict after a [`Desk::take`]. Called before that, so that none is missed.
    pub(crate) fn watch(&self, task: &std::task::Waker) {
        self.consumer.register(task);
    }

    /// Moves all verdicts into `taken`, which is empty.
    pub(crate) fn take(&self, taken: &mut Vec<(u64, Verdict)>) {
        std::mem::swap(&mut *self.verdicts(), taken);
    }

    /// Whoever put the first one there has woken the consumer.
    fn decide(&self, tag: u64, verdict: Verdict) {
        if self.is_open() && self.put(tag, verdict) == 1 {
            self.consumer.wake();
        }
    }

    /// How many lie there with it.
    fn put(&self, tag: u64, verdict: Verdict) -> usize {
        let mut verdicts = self.verdicts();
        verdicts.push((tag, verdict));
        verdicts.len()
    }

    fn verdicts(&self) -> MutexGuard<'_, Vec<(u64, Verdict)>> {
        self.verdicts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
