//! Publishing with a receipt: one task owns the confirm channel and answers for every message.

use std::{future::Future, time::Duration};

use epro_schemas::receipt::Receipt;
use tokio::sync::watch;

use crate::{connection::BrokerUrl, message::Message};

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
    #[error("no queue is bound for {routing_key}")]
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
}

/// What a publisher can do just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublisherState {
    /// Publishes go out.
    Connected,
    /// The broker has blocked the connection.
    Blocked,
    /// There is no connection; one is being sought with backoff.
    Disconnected,
}

/// The handle to publish through; cheap to clone.
#[derive(Clone)]
pub struct Publisher {
    state: watch::Receiver<PublisherState>,
}

impl Publisher {
    /// Makes a publisher and the future that does its work, for the caller's `JoinSet`. The
    /// future ends once every handle is dropped and everything outstanding is answered.
    pub fn start(options: PublisherOptions) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let _ = options;
        let (_, state) = watch::channel(PublisherState::Disconnected);
        (Self { state }, async {})
    }

    /// Publishes and waits for the answer, at most `confirm_timeout`; refuses at once when
    /// there is no free slot. If the future is dropped the message may or may not be stored.
    pub async fn publish(&self, message: Message) -> Result<Confirmed, PublishError> {
        let _ = message;
        unimplemented!()
    }

    /// The same, but waits for a slot too: `within` bounds both.
    pub async fn publish_within(
        &self,
        message: Message,
        within: Duration,
    ) -> Result<Confirmed, PublishError> {
        let _ = (message, within);
        unimplemented!()
    }

    /// What it can do just now.
    pub fn state(&self) -> PublisherState {
        *self.state.borrow()
    }

    /// To wait for a change of state.
    pub fn watch(&self) -> watch::Receiver<PublisherState> {
        self.state.clone()
    }
}
