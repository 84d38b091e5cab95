//! What several tests need.

use anyhow::{Context as _, Result, ensure};
use epro_proving::client::Reply;
use epro_proving::sealed::{Envelope, Keys};
use epro_proving::{Client, Service, Stack};
use serde_json::Value;
use uuid::Uuid;

pub(crate) const STUDY: &str = "ONC-301";
pub(crate) const SITE: &str = "H001";
pub(crate) const SUBMIT: &str = "/api/v1/epro/submit";
pub(crate) const BATCH: &str = "/api/v1/epro/submit/batch";
pub(crate) const ROUTINE: &str = "epro.submissions.routine";
pub(crate) const URGENT: &str = "epro.submissions.urgent";

/// A stack with its API and a client of it.
pub(crate) async fn door() -> Result<(Stack, Service, Client)> {
    let stack = Stack::new().await?;
    let api = stack.api().await?;
    let client = stack.client(&api)?;
    Ok((stack, api, client))
}

/// A valid submission.
pub(crate) fn phq9() -> Value {
    epro_proving::client::phq9(STUDY, SITE)
}

/// The same with item 9 answered, which alerts.
pub(crate) fn alerting() -> Value {
    let mut submission = phq9();
    submission["answers"]["44260-8"] = 1.into();
    submission
}

/// Where an answer says that its submission stands.
pub(crate) fn place(id: &Value) -> String {
    format!("/api/v1/epro/submissions/{}", id.as_str().unwrap_or_default())
}

/// The name of an answer's problem, from its `type`.
pub(crate) fn problem(reply: &Reply) -> Result<String> {
    ensure!(reply.header("content-type") == Some("application/problem+json"), "not a problem: {reply:?}");
    let body = reply.json()?;
    ensure!(body["status"] == reply.status, "the body names another status: {body}");
    let kind = body["type"].as_str().and_then(|kind| kind.strip_prefix("/docs#"));
    Ok(kind.context("no type")?.to_owned())
}

/// The pointers of an answer's errors.
pub(crate) fn pointers(reply: &Reply) -> Result<Vec<String>> {
    let body = reply.json()?;
    let errors = body["errors"].as_array().cloned().unwrap_or_default();
    Ok(errors.iter().map(|error| error["pointer"].as_str().unwrap_or("?").to_owned()).collect())
}

/// A message taken off a queue.
pub(crate) struct Taken {
    pub(crate) id: Uuid,
    pub(crate) kind: String,
    pub(crate) body: Vec<u8>,
}

impl Taken {
    /// What it says under its seal.
    pub(crate) fn says(&self, stack: &Stack) -> Result<Value> {
        Ok(serde_json::from_slice(&Keys::read(stack.folder())?.open(&self.kind, self.id, &self.body)?)?)
    }
}

/// Takes one message off a queue.
pub(crate) async fn take(stack: &Stack, queue: &str) -> Result<Taken> {
    let connection = stack.vhost().connect().await?;
    let channel = connection.create_channel().await?;
    let got = channel.basic_get(queue.into(), Default::default()).await?.context("an empty queue")?;
    got.acker.ack(Default::default()).await?;
    let properties = &got.delivery.properties;
    let text = |text: Option<String>| text.context("a property is missing");
    let taken = Taken {
        id: text(properties.message_id().as_ref().map(ToString::to_string))?.parse()?,
        kind: text(properties.kind().as_ref().map(ToString::to_string))?,
        body: got.delivery.data.clone(),
    };
    ensure!(properties.delivery_mode() == &Some(2), "not persistent");
    connection.close(200, "done".into()).await?;
    Ok(taken)
}

/// Takes one submission off a queue and opens its envelope.
pub(crate) async fn opened(stack: &Stack, queue: &str) -> Result<Envelope> {
    let taken = take(stack, queue).await?;
    ensure!(taken.kind == "epro.submission.v1", "a message of type {}", taken.kind);
    Keys::read(stack.folder())?.open_submission(taken.id, &taken.body)
}
