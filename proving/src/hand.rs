//! Messages put into queues, and looked at there, by the test's own hand.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt as _;
use futures_util::future::try_join_all;
use lapin::options::{BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::client::{Sent, sha256};
use crate::sealed::{Envelope, Keys, SUBMISSION};
use crate::stack::Stack;
use crate::vhost::{BrokerLogin, ready};

/// Messages that are published before their confirms are awaited.
const AT_ONCE: usize = 500;
/// How long a message that lies in a queue may take to come.
const SOON: Duration = Duration::from_secs(20);

/// A message on its way to a queue, or as it lies in one.
#[derive(Clone, Debug)]
pub struct Letter {
    /// The exchange that it goes through; a message that lies somewhere has the one it came through.
    pub exchange: String,
    /// Its routing key.
    pub key: String,
    /// The property `message_id`.
    pub id: Option<String>,
    /// The property `type`.
    pub kind: Option<String>,
    /// Headers that are texts or integers; of any other only that it is there (`null`).
    pub headers: Map<String, Value>,
    /// The body.
    pub body: Vec<u8>,
    /// Everything else that is written on it, for a search.
    pub properties: String,
}

impl Letter {
    /// The same with one header more.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.headers.insert(name.to_owned(), value);
        self
    }

    /// The same to another exchange.
    #[must_use]
    pub fn through(mut self, exchange: &str) -> Self {
        exchange.clone_into(&mut self.exchange);
        self
    }

    /// What is under its seal, which is that of this message and no other, as JSON. A submission is more than that.
    pub fn says(&self, keys: &Keys) -> Result<Value> {
        let kind = self.kind.as_deref().context("a message without a type")?;
        Ok(serde_json::from_slice(&keys.open(kind, self.try_into()?, &self.body)?)?)
    }
}

/// A hand on one stack's broker, with the keys to seal as intake does, and a log of its own.
#[derive(Debug)]
pub struct Hand {
    connection: Connection,
    channel: Channel,
    keys: Keys,
    log: Mutex<Vec<Sent>>,
}

impl Hand {
    /// Connects to the vhost of a stack.
    pub async fn on(stack: &Stack) -> Result<Self> {
        Self::over(stack, stack.vhost().connect().await?).await
    }

    /// The same as a user of that broker, who may less.
    pub async fn by(stack: &Stack, user: &BrokerLogin) -> Result<Self> {
        Self::over(stack, user.connect().await?).await
    }

    async fn over(stack: &Stack, connection: Connection) -> Result<Self> {
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Self { connection, channel, keys: Keys::read(stack.folder())?, log: Mutex::default() })
    }

    /// The keys of the stack.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// What was put into queues as an accepted submission.
    pub fn log(&self) -> Vec<Sent> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A submission as intake would publish it to `queue`, sealed with the first key.
    pub fn letter(&self, queue: &str, subject: &str, submission: &Value) -> Result<Letter> {
        let (id, bytes) = (Uuid::now_v7(), submission.to_string().into_bytes());
        let envelope = Envelope { subject: subject.to_owned(), actor: subject.to_owned(), bytes };
        let body = self.keys.seal(SUBMISSION, id, &envelope.write()?)?;
        let mut letter = plain(queue, id, SUBMISSION, body);
        for (header, key) in [("epro-site", "site_id"), ("epro-study", "study_id")] {
            letter.headers.insert(header.to_owned(), submission[key].clone());
        }
        Ok(letter.with("epro-key", json!("k1")))
    }

    /// A message for a work queue that says this, sealed as ours seal theirs, with the first key.
    pub fn sealed(&self, queue: &str, id: Uuid, kind: &str, says: &Value) -> Result<Letter> {
        Ok(plain(queue, id, kind, self.keys.seal(kind, id, says.to_string().as_bytes())?))
    }

    /// What a message says under its seal.
    pub fn read(&self, letter: &Letter) -> Result<Value> {
        letter.says(&self.keys)
    }

    /// Puts a submission into `queue` and notes it as accepted; gives the message's id.
    pub async fn put(&self, queue: &str, subject: &str, submission: &Value) -> Result<Uuid> {
        let letter = self.letter(queue, subject, submission)?;
        self.publish(&letter).await?;
        self.note(submission);
        Ok(letter.id.as_deref().unwrap_or_default().parse()?)
    }

    /// Puts many into `queue`.
    pub async fn put_all(&self, queue: &str, subject: &str, submissions: &[Value]) -> Result<()> {
        for some in submissions.chunks(AT_ONCE) {
            let letters =
                some.iter().map(|one| self.letter(queue, subject, one)).collect::<Result<Vec<_>>>()?;
            try_join_all(letters.iter().map(|letter| self.publish(letter))).await?;
            some.iter().for_each(|one| self.note(one));
        }
        Ok(())
    }

    /// Notes as accepted what was put into a queue another way.
    pub fn note(&self, submission: &Value) {
        let bytes = submission.to_string().into_bytes();
        let Some(id) = submission["submission_id"].as_str().and_then(|id| id.parse().ok()) else { return };
        let sent = Sent { id, sha256: sha256(&bytes), bytes: bytes.into(), status: Some(202) };
        self.log.lock().unwrap_or_else(PoisonError::into_inner).push(sent);
    }

    /// Publishes a message; an error unless the broker confirms it and it led somewhere.
    pub async fn publish(&self, letter: &Letter) -> Result<()> {
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        let (exchange, key) = (letter.exchange.as_str().into(), letter.key.as_str().into());
        let properties = properties(letter);
        let publishing = self.channel.basic_publish(exchange, key, options, &letter.body, properties);
        let confirm = publishing.await?.await?;
        ensure!(matches!(confirm, Confirmation::Ack(None)), "{} takes no message", letter.key);
        Ok(())
    }

    /// Takes everything out of `queue`, as its consumer would.
    pub async fn take(&self, queue: &str) -> Result<Vec<Letter>> {
        let mut letters = Vec::new();
        let options = BasicGetOptions { no_ack: true };
        while let Some(got) = self.channel.basic_get(queue.into(), options).await? {
            letters.push(found(got.delivery));
        }
        Ok(letters)
    }

    /// Takes everything out of `queue` as one more consumer would; how many they were, and how many of them had been
    /// handed out before.
    pub async fn count_out(&self, queue: &str) -> Result<(usize, usize)> {
        let channel = self.connection.create_channel().await?;
        let lying = ready(&channel, queue).await? as usize;
        let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
        let consuming = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default());
        let mut consumer = consuming.await?;
        let mut again = 0;
        for number in 0..lying {
            let next = tokio::time::timeout(SOON, consumer.next()).await;
            let delivery =
                next.with_context(|| format!("{number} of {lying} came"))?.context("the end")??;
            again += usize::from(delivery.redelivered);
        }
        channel.close(200, "counted".into()).await?;
        Ok((lying, again))
    }

    /// What lies in `queue`. The messages go back to their places, marked as handed out before.
    pub async fn lying(&self, queue: &str) -> Result<Vec<Letter>> {
        let channel = self.connection.create_channel().await?;
        let mut letters = Vec::new();
        while let Some(got) = channel.basic_get(queue.into(), BasicGetOptions::default()).await? {
            letters.push(found(got.delivery));
        }
        channel.close(200, "looked".into()).await?;
        Ok(letters)
    }

    /// Puts a message into `queue`, takes it, and doesn't ack it until the broker closes the channel over that.
    pub async fn held_too_long(&self, queue: &str) -> Result<()> {
        self.publish(&plain(queue, Uuid::now_v7(), "held", Vec::new())).await?;
        let channel = self.connection.create_channel().await?;
        let (options, table) = (BasicConsumeOptions::default(), FieldTable::default());
        let mut deliveries = channel.basic_consume(queue.into(), "holds".into(), options, table).await?;
        let _held = deliveries.next().await.context("nothing was delivered")??;
        while let Some(Ok(_)) = deliveries.next().await {}
        Ok(())
    }
}

/// A message for a work queue that says nothing but this.
pub fn plain(queue: &str, id: Uuid, kind: &str, body: Vec<u8>) -> Letter {
    Letter {
        exchange: "epro.work".to_owned(),
        key: queue.to_owned(),
        id: Some(id.to_string()),
        kind: Some(kind.to_owned()),
        headers: Map::new(),
        body,
        properties: String::new(),
    }
}

fn properties(letter: &Letter) -> BasicProperties {
    let mut table = FieldTable::default();
    for (name, value) in &letter.headers {
        let value = match value {
            Value::String(text) => AMQPValue::LongString(text.as_str().into()),
            other => AMQPValue::LongLongInt(other.as_i64().unwrap_or_default()),
        };
        table.insert(name.as_str().into(), value);
    }
    let mut properties = BasicProperties::default().with_delivery_mode(2).with_headers(table);
    if let Some(id) = &letter.id {
        properties = properties.with_message_id(id.as_str().into());
    }
    if let Some(kind) = &letter.kind {
        properties = properties.with_type(kind.as_str().into());
    }
    properties
}

/// A message as it lay in a queue.
pub(crate) fn found(delivery: lapin::message::Delivery) -> Letter {
    let properties = &delivery.properties;
    let text =
        |value: &Option<lapin::types::ShortString>| value.as_ref().map(|text| text.as_str().to_owned());
    let value = |value: &AMQPValue| match value {
        AMQPValue::LongString(text) => Value::from(String::from_utf8_lossy(text.as_bytes()).into_owned()),
        AMQPValue::ShortString(text) => Value::from(text.as_str()),
        AMQPValue::LongLongInt(number) => Value::from(*number),
        AMQPValue::LongInt(number) => Value::from(*number),
        _ => Value::Null,
    };
    let headers = properties.headers().iter().flatten();
    Letter {
        exchange: delivery.exchange.as_str().to_owned(),
        key: delivery.routing_key.as_str().to_owned(),
        id: text(properties.message_id()),
        kind: text(properties.kind()),
        headers: headers.map(|(name, entry)| (name.as_str().to_owned(), value(entry))).collect(),
        properties: format!("{properties:?}"),
        body: delivery.data,
    }
}

/// The message's own id.
impl TryFrom<&Letter> for Uuid {
    type Error = anyhow::Error;

    fn try_from(letter: &Letter) -> Result<Self> {
        Ok(letter.id.as_deref().context("a message without an id")?.parse()?)
    }
}
