//! Looking and declaring. Whatever the broker refuses closes the channel, so the scout opens
//! another.

use lapin::{
    Channel,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    protocol::AMQPSoftError,
    types::{FieldTable, ShortString},
};
use tokio::time::timeout;

use super::{
    Depth, TopologyError,
    plan::{Binding, Object},
};
use crate::{
    connection::{Connection, PATIENCE},
    consumer::soft_error,
};

pub(super) struct Scout<'a> {
    connection: &'a Connection,
    channel: Option<Channel>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    There,
    Absent,
    /// What the broker says is different.
    Different(String),
}

impl<'a> Scout<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self { connection, channel: None }
    }

    /// Whether it is there, passively.
    pub(super) async fn look(&mut self, object: &Object) -> Result<Finding, TopologyError> {
        self.ask(object, true).await
    }

    /// Declares it: creates it, or compares it with what is there, which may be as an earlier version declared it.
    pub(super) async fn declare(&mut self, object: &Object) -> Result<Finding, TopologyError> {
        match (self.ask(object, false).await?, object.older()) {
            (Finding::Different(_), Some(older)) => self.ask(&older, false).await,
            (found, _) => Ok(found),
        }
    }

    async fn ask(&mut self, object: &Object, passive: bool) -> Result<Finding, TopologyError> {
        let channel = self.channel().await?;
        let answer = bounded(async {
            match object {
                Object::Exchange { name, kind, arguments } => {
                    let options = ExchangeDeclareOptions { passive, durable: true, ..Default::default() };
                    let asked =
                        channel.exchange_declare(short(name)?, kind.clone(), options, arguments.clone());
                    Ok(asked.await.map(|()| Finding::There))
                }
                Object::Queue { name, arguments, .. } => {
                    let options = QueueDeclareOptions { passive, durable: true, ..Default::default() };
                    let asked = channel.queue_declare(short(name)?, options, arguments.clone());
                    Ok(asked.await.map(|_| Finding::There))
                }
            }
        });
        let answer = answer.await?;
        answer.or_else(|error| self.refused(&error, &object.missing().to_string()))
    }

    pub(super) async fn bind(&mut self, binding: &Binding) -> Result<(), TopologyError> {
        let Binding { queue, exchange, key } = binding;
        let channel = self.channel().await?;
        let answer = bounded(async {
            let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
            Ok(channel.queue_bind(short(queue)?, short(exchange)?, short(key)?, options, arguments).await)
        });
        match answer.await? {
            Ok(()) => Ok(()),
            Err(error) => match self.refused(&error, &format!("binding {exchange} -> {queue}"))? {
                Finding::There => Ok(()),
                Finding::Absent => Err(TopologyError::Away(format!("queue {queue} is gone again"))),
                Finding::Different(difference) => Err(TopologyError::Different(vec![difference])),
            },
        }
    }

    pub(super) async fn depth(&mut self, queue: &str) -> Result<Option<Depth>, TopologyError> {
        let channel = self.channel().await?;
        let options = QueueDeclareOptions { passive: true, durable: true, ..Default::default() };
        let answer =
            bounded(async { Ok(channel.queue_declare(short(queue)?, options, FieldTable::default()).await) });
        match answer.await? {
            Ok(found) => Ok(Some(Depth { ready: found.message_count(), consumers: found.consumer_count() })),
            Err(error) => self.refused(&error, queue).map(|_| None),
        }
    }

    /// The broker's answers that aren't a yes. They end the channel.
    fn refused(&mut self, error: &lapin::Error, what: &str) -> Result<Finding, TopologyError> {
        self.channel = None;
        match soft_error(error) {
            Some(AMQPSoftError::NOTFOUND) => Ok(Finding::Absent),
            Some(AMQPSoftError::PRECONDITIONFAILED) => Ok(Finding::Different(difference(error))),
            Some(AMQPSoftError::ACCESSREFUSED) => Err(TopologyError::Refused(what.to_owned())),
            _ => Err(TopologyError::Away(error.to_string())),
        }
    }

    async fn channel(&mut self) -> Result<Channel, TopologyError> {
        match &self.channel {
            Some(channel) => Ok(channel.clone()),
            None => Ok(self.channel.insert(self.connection.channel().await?).clone()),
        }
    }
}

/// The broker's own words: they name the object, the argument and both values.
fn difference(error: &lapin::Error) -> String {
    let text = error.to_string();
    text.split_once("PRECONDITION_FAILED - ").map_or(text.clone(), |(_, words)| words.to_owned())
}

fn short(name: &str) -> Result<ShortString, TopologyError> {
    ShortString::try_new(name).map_err(|_| TopologyError::Name(name.to_owned()))
}

async fn bounded<T>(asking: impl Future<Output = Result<T, TopologyError>>) -> Result<T, TopologyError> {
    timeout(PATIENCE, asking).await.map_err(|_| TopologyError::Away("no answer within 5 s".to_owned()))?
}
