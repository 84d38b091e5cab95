//! What spans are called and what they say: OpenTelemetry's semantic conventions in one version, and a few names of
//! ours. Everything about a span's content is decided here; the code elsewhere only says what happened.
//!
//! A span holds no patient's value and no submission's id: queues, sites, studies and routes are names of the
//! configuration, a message's id is ours, and the rest are words and numbers.

use std::time::SystemTime;

use uuid::Uuid;

use super::span::Value;
use super::{Context, Span};

/// The version of the conventions that these names are of.
pub(super) const SCHEMA: &str = "https://opentelemetry.io/schemas/1.37.0";
/// What became of it, in a word of ours.
pub(super) const OUTCOME: &str = "epro.outcome";

const SYSTEM: &str = "messaging.system";
const OPERATION_NAME: &str = "messaging.operation.name";
const OPERATION_TYPE: &str = "messaging.operation.type";
const DESTINATION: &str = "messaging.destination.name";
const MESSAGE: &str = "messaging.message.id";
const METHOD: &str = "http.request.method";
const ROUTE: &str = "http.route";
const STATUS: &str = "http.response.status_code";
const DATABASE: &str = "db.system.name";
const DATABASE_OPERATION: &str = "db.operation.name";
const DATABASE_BATCH: &str = "db.operation.batch.size";
const ERROR: &str = "error.type";
const LANE: &str = "epro.lane";
const ATTEMPT: &str = "epro.attempt";
const WAITS: &str = "epro.waits";
const REDELIVERED: &str = "epro.redelivered";
const SITE: &str = "epro.site";
const STUDY: &str = "epro.study";
const PROTOCOL: &str = "epro.protocol";
const CHANNEL: &str = "epro.channel";

/// A span's kind, with OTLP's number for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Server = 2,
    Client = 3,
    Producer = 4,
    Consumer = 5,
}

/// A request at the door, in the place that its `traceparent` gave away; began earlier, as it is made once the caller
/// is believed.
pub fn request(
    place: &str,
    parent: Option<&str>,
    method: &'static str,
    route: &'static str,
    began: SystemTime,
) -> Span {
    let Some(context) = recorded(Some(place)) else { return Span::none() };
    let parent = recorded(parent).map(|parent| parent.span);
    let mut span = Span::at(context, parent, Kind::Server, format!("{method} {route}"));
    span.began(began);
    span.say(METHOD, Value::Word(method));
    span.say(ROUTE, Value::Word(route));
    span
}

/// The door's answer.
pub fn answered(span: &mut Span, status: u16, class: &'static str) {
    span.say(STATUS, Value::Number(status.into()));
    if status >= 500 {
        span.say(ERROR, Value::Word(class));
        span.failed(class);
    } else {
        span.outcome(class);
    }
}

/// A publish to a work queue, in the trace of `traceparent`, which from then on is the message's own place in it.
pub fn publish(traceparent: &mut Option<String>, queue: &str, message: Uuid) -> Span {
    let parent = recorded(traceparent.as_deref());
    let mut span = Span::child(parent, Kind::Producer, || format!("publish {queue}"));
    if let Some(place) = span.traceparent() {
        *traceparent = Some(place);
        messaging(&mut span, "publish", "send", queue);
        span.say(MESSAGE, Value::Name(message.to_string()));
    }
    span
}

/// What is known of a delivery.
pub struct Delivered<'a> {
    /// Its header.
    pub traceparent: Option<&'a str>,
    /// The queue that it came from.
    pub queue: &'a str,
    /// The lane that handles it.
    pub lane: &'static str,
    /// Its message's id, if it has one of our form.
    pub message: Option<Uuid>,
    /// The try that is being charged.
    pub attempt: u32,
    /// How often it was parked.
    pub waits: u32,
    /// The broker has handed it out before.
    pub redelivered: bool,
}

/// A delivery, from when it is taken in hand until it is decided.
pub fn process(delivered: &Delivered<'_>) -> Span {
    let parent = recorded(delivered.traceparent);
    let mut span = Span::child(parent, Kind::Consumer, || format!("process {}", delivered.queue));
    if span.context().is_some() {
        messaging(&mut span, "process", "process", delivered.queue);
        span.say(LANE, Value::Word(delivered.lane));
        if let Some(message) = delivered.message {
            span.say(MESSAGE, Value::Name(message.to_string()));
        }
        span.say(ATTEMPT, Value::Number(delivered.attempt.into()));
        span.say(WAITS, Value::Number(delivered.waits.into()));
        span.say(REDELIVERED, Value::Flag(delivered.redelivered));
    }
    span
}

/// A chunk's transaction: one span in a trace of its own, linked with the spans of the deliveries that it commits, and
/// they with it. None if none of them is recorded.
pub fn commit<'s>(lane: &'static str, deliveries: impl ExactSizeIterator<Item = &'s mut Span>) -> Span {
    let (rows, mut commit) = (deliveries.len(), Span::none());
    for delivery in deliveries {
        let Some(place) = delivery.context() else { continue };
        if commit.context().is_none() {
            commit = Span::root(Kind::Client, || "COMMIT".to_owned());
            commit.say(DATABASE, Value::Word("postgresql"));
            commit.say(DATABASE_OPERATION, Value::Word("COMMIT"));
            commit.say(DATABASE_BATCH, Value::Number(i64::try_from(rows).unwrap_or(i64::MAX)));
            commit.say(LANE, Value::Word(lane));
        }
        commit.link(Some(place));
        delivery.link(commit.context());
    }
    commit
}

/// A call of a hospital.
pub fn hospital_call(within: Option<Context>, site: &str, protocol: &'static str) -> Span {
    let mut span = Span::child(within, Kind::Client, || format!("call hospital {protocol}"));
    if span.context().is_some() {
        span.say(SITE, Value::Name(site.to_owned()));
        span.say(PROTOCOL, Value::Word(protocol));
    }
    span
}

/// A question for a study's risk model.
pub fn model_call(within: &Span, study: &str) -> Span {
    let mut span = Span::child(within.context(), Kind::Client, || "POST".to_owned());
    if span.context().is_some() {
        span.say(METHOD, Value::Word("POST"));
        span.say(STUDY, Value::Name(study.to_owned()));
    }
    span
}

/// A notice to a person.
pub fn notice(within: Option<Context>, channel: &'static str) -> Span {
    let mut span = Span::child(within, Kind::Client, || format!("notify {channel}"));
    span.say(CHANNEL, Value::Word(channel));
    span
}

/// The place that a header names. Where no span is made nobody reads it.
fn recorded(traceparent: Option<&str>) -> Option<Context> {
    traceparent.filter(|_| super::are_on()).and_then(Context::recorded)
}

fn messaging(span: &mut Span, name: &'static str, kind: &'static str, queue: &str) {
    span.say(SYSTEM, Value::Word("rabbitmq"));
    span.say(OPERATION_NAME, Value::Word(name));
    span.say(OPERATION_TYPE, Value::Word(kind));
    span.say(DESTINATION, Value::Name(queue.to_owned()));
}
