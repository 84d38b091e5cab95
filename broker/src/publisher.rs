//! Publishing with a receipt: one task owns the confirm channel and answers for every message.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use epro_schemas::receipt::Receipt;
use epro_schemas::seal::SealError;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch},
    time::{Instant, timeout_at},
};

use crate::{
    connection::BrokerUrl,
    message::{Message, wire::Parcel},
};

mod answers;
mod line;
mod owner;
mod tally;
mod window;

use answers::Answer;
use owner::Owner;
use tally::Tally;

/// Proof that the broker has stored a message: routed, and confirmed by a quorum.
/// Can't be made elsewhere.
#[derive(Debug)]
pub struct Confirmed(());

impl Receipt for Confirmed {}

/// How a publisher is set up.
#[derive(Clone, Debug)]
pub struct PublisherOptions {
    /// Where to publish.
    pub url: BrokerUrl,
    /// Name that the broker lists the connection under.
    pub name: String,
    /// Publishes that may be outstanding at once; above it they are [`PublishError::Saturated`].
    /// One counts until the broker has answered, also if nobody waits for it any more.
    pub outstanding: usize,
    /// How long [`Publisher::publish`] waits for the broker's answer.
    pub confirm_timeout: Duration,
}

/// Why there is no receipt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// There is no connection. Not sent.
    #[error("not connected to the broker")]
    NotConnected,
    /// The broker blocks publishers (memory or disk alarm). Not sent.
    #[error("the broker blocks publishers")]
    Blocked,
    /// As many publishes are outstanding as may be. Not sent.
    #[error("too many publishes are outstanding")]
    Saturated,
    /// No queue is bound for it: the topology isn't applied. Not stored.
    #[error("no queue is bound for {routing_key}: run `epro topology apply`")]
    Returned {
        /// The routing key that led nowhere.
        routing_key: String,
    },
    /// The broker refused it, such as a queue at its maximum length. Not stored.
    #[error("the broker refused the message")]
    Nacked,
    /// The channel or connection ended before the answer. It may be stored.
    #[error("the connection ended before the broker confirmed")]
    NotConfirmed,
    /// No answer in time. It may be stored, now or later.
    #[error("the broker did not confirm in time")]
    TimedOut,
    /// The message can't be written as AMQP: a name longer than 255 bytes. Not sent.
    #[error("the message's {field} is longer than 255 bytes")]
    Unsendable {
        /// Which part is too long.
        field: &'static str,
    },
    /// What it says could not be sealed, so there is no message. Not sent.
    #[error(transparent)]
    Unsealed(#[from] SealError),
}

/// What a publisher can do just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublisherState {
    /// Publishes go out.
    Connected,
    /// The broker has blocked the connection.
    Blocked,
    /// There is no connection, or the work exchange is missing; sought again with backoff.
    Disconnected,
}

/// The handle to publish through; cheap to clone.
#[derive(Clone)]
pub struct Publisher {
    desk: Arc<Desk>,
    /// How many of the slots this handle and its clones may hold; `None`: all of them.
    share: Option<Arc<Semaphore>>,
}

struct Desk {
    name: String,
    outstanding: usize,
    jobs: mpsc::Sender<Job>,
    slots: Arc<Semaphore>,
    state: watch::Receiver<PublisherState>,
    tickets: AtomicU64,
    confirm_timeout: Duration,
    tally: Tally,
}

/// One publish on its way to the task that owns the channel.
struct Job {
    ticket: u64,
    parcel: Parcel,
    caller: Caller,
}

/// Whoever waits for the answer, and the slot that is held until there is one.
struct Caller {
    answer: oneshot::Sender<Answer>,
    _slot: Slot,
}

/// A slot, of the share of whoever has but a share.
struct Slot {
    _slot: OwnedSemaphorePermit,
    _share: Option<OwnedSemaphorePermit>,
}

impl Caller {
    fn is_gone(&self) -> bool {
        self.answer.is_closed()
    }

    fn answer(self, answer: Answer) {
        // Nobody there any more: the answer came too late, or the request was dropped.
        let _ = self.answer.send(answer);
    }
}

impl Publisher {
    /// Makes a publisher and the future that does its work, for the caller's `JoinSet`. The
    /// future ends once every handle is dropped and everything outstanding is answered.
    pub fn start(options: PublisherOptions) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (state_out, state) = watch::channel(PublisherState::Disconnected);
        let (jobs, jobs_out) = mpsc::channel(options.outstanding.max(1));
        let desk = Desk {
            name: options.name.clone(),
            outstanding: options.outstanding,
            jobs,
            slots: Arc::new(Semaphore::new(options.outstanding)),
            state,
            tickets: AtomicU64::new(0),
            confirm_timeout: options.confirm_timeout,
            tally: Tally::new(&options.name),
        };
        let owner = Owner::new(options.url, options.name, jobs_out, state_out);
        (Self { desk: Arc::new(desk), share: None }, owner.run())
    }

    /// The same publisher for those who may hold at most so many of its slots, however slow the broker is.
    #[must_use]
    pub fn sharing(&self, slots: usize) -> Self {
        Self { desk: self.desk.clone(), share: Some(Arc::new(Semaphore::new(slots))) }
    }

    /// Publishes and waits for the answer, at most `confirm_timeout`; refuses at once when
    /// there is no free slot. If the future is dropped the message may or may not be stored.
    pub async fn publish(&self, message: Message) -> Result<Confirmed, PublishError> {
        let started = Instant::now();
        let deadline = started + self.desk.confirm_timeout;
        let result = match self.free_slot() {
            Some(slot) => self.send(message, slot, deadline).await,
            None => Err(self.unable().err().unwrap_or(PublishError::Saturated)),
        };
        self.desk.tally.count(&result, started.elapsed());
        result
    }

    /// The same, but waits for a slot too: `within` bounds both.
    pub async fn publish_within(
        &self,
        message: Message,
        within: Duration,
    ) -> Result<Confirmed, PublishError> {
        let started = Instant::now();
        let deadline = started + within;
        let result = match self.slot(deadline).await {
            Ok(slot) => self.send(message, slot, deadline).await,
            Err(error) => Err(error),
        };
        self.desk.tally.count(&result, started.elapsed());
        result
    }

    fn free_slot(&self) -> Option<Slot> {
        let share = match &self.share {
            Some(share) => Some(share.clone().try_acquire_owned().ok()?),
            None => None,
        };
        Some(Slot { _slot: self.desk.slots.clone().try_acquire_owned().ok()?, _share: share })
    }

    async fn slot(&self, deadline: Instant) -> Result<Slot, PublishError> {
        self.unable()?;
        let share = match &self.share {
            Some(share) => Some(acquire(share, deadline).await?),
            None => None,
        };
        Ok(Slot { _slot: acquire(&self.desk.slots, deadline).await?, _share: share })
    }

    async fn send(&self, message: Message, slot: Slot, until: Instant) -> Result<Confirmed, PublishError> {
        self.unable()?;
        let routing_key = message.routing_key.clone();
        let ticket = self.desk.tickets.fetch_add(1, Ordering::Relaxed);
        let parcel =
            Parcel::pack(message, ticket, now()).map_err(|field| PublishError::Unsendable { field })?;
        let (answer, answered) = oneshot::channel();
        let job = Job { ticket, parcel, caller: Caller { answer, _slot: slot } };
        // There is room: each job holds a slot, and there are as many places as slots.
        self.desk.jobs.try_send(job).map_err(|_| PublishError::NotConnected)?;
        match timeout_at(until, answered).await {
            Ok(Ok(Ok(()))) => Ok(Confirmed(())),
            Ok(Ok(Err(PublishError::Returned { .. }))) => Err(PublishError::Returned { routing_key }),
            Ok(Ok(Err(error))) => Err(error),
            Ok(Err(_dropped)) => Err(PublishError::NotConfirmed),
            Err(_elapsed) => Err(PublishError::TimedOut),
        }
    }

    /// Why nothing can be sent just now.
    fn unable(&self) -> Result<(), PublishError> {
        match self.state() {
            PublisherState::Connected => Ok(()),
            PublisherState::Blocked => Err(PublishError::Blocked),
            PublisherState::Disconnected => Err(PublishError::NotConnected),
        }
    }

    /// Sets the gauges of what it can do just now, for as long as there is a handle: it holds none itself.
    pub fn gauges(&self) -> impl Fn() + Send + 'static {
        let (desk, name) = (Arc::downgrade(&self.desk), self.desk.name.clone());
        let gauge = |gauge: metrics::Gauge, so: bool| gauge.set(if so { 1.0 } else { 0.0 });
        move || {
            let Some(desk) = desk.upgrade() else { return };
            let state = *desk.state.borrow();
            let connected = metrics::gauge!("epro_publisher_connected", "publisher" => name.clone());
            gauge(connected, state != PublisherState::Disconnected);
            let blocked = metrics::gauge!("epro_publisher_blocked", "publisher" => name.clone());
            gauge(blocked, state == PublisherState::Blocked);
            let outstanding = desk.outstanding.saturating_sub(desk.slots.available_permits());
            metrics::gauge!("epro_publisher_outstanding", "publisher" => name.clone())
                .set(outstanding as f64);
        }
    }

    /// What it can do just now.
    pub fn state(&self) -> PublisherState {
        *self.desk.state.borrow()
    }

    /// To wait for a change of state.
    pub fn watch(&self) -> watch::Receiver<PublisherState> {
        self.desk.state.clone()
    }
}

async fn acquire(slots: &Arc<Semaphore>, deadline: Instant) -> Result<OwnedSemaphorePermit, PublishError> {
    let slot = timeout_at(deadline, slots.clone().acquire_owned()).await;
    slot.map_err(|_| PublishError::Saturated)?.map_err(|_| PublishError::NotConnected)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
