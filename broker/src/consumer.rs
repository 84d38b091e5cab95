//! One subscription: deliveries come out, decisions go back in order.

use crate::{connection::Connection, delivery::Delivery};

/// A subscription to one queue, on a channel of its own.
pub struct Consumer {}

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
        let _ = (connection, queue, prefetch);
        unimplemented!()
    }

    /// The next delivery; None once the stream has ended, and ever after. Cancel-safe.
    /// Before it waits it sends what has been decided.
    pub async fn next(&mut self) -> Option<Delivery> {
        unimplemented!()
    }

    /// Sends what has been decided: acks up to the first undecided delivery, and everything given back.
    pub async fn settle(&mut self) -> Result<(), SettleError> {
        unimplemented!()
    }

    /// The same, and acks past undecided deliveries too, one by one.
    pub async fn settle_past_stragglers(&mut self) -> Result<(), SettleError> {
        unimplemented!()
    }

    /// Leaves in order: cancel, release what is undecided, send all decisions, close the channel.
    pub async fn leave(self) {
        unimplemented!()
    }

    /// Why the stream ended; None while it runs.
    pub fn end_reason(&self) -> Option<&EndReason> {
        unimplemented!()
    }

    /// Deliveries handed out whose decision hasn't been sent.
    pub fn outstanding(&self) -> usize {
        unimplemented!()
    }

    /// The queue's name.
    pub fn queue(&self) -> &str {
        unimplemented!()
    }
}
