//! One span: begun, told more about, ended by being dropped.

use std::time::SystemTime;

use super::conventions::Kind;
use super::exporter::Item;
use super::{Context, TRACING};

/// A value of an attribute. There is no way from a text that came from outside: what is said is a word of ours, a
/// name of the configuration, an id of ours, or a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Word(&'static str),
    Name(String),
    Number(i64),
    Flag(bool),
}

/// What a finished span tells.
pub(super) struct Finished {
    pub context: Context,
    pub parent: Option<u64>,
    pub kind: Kind,
    pub name: String,
    pub began: SystemTime,
    pub ended: SystemTime,
    pub attributes: Vec<(&'static str, Value)>,
    pub links: Vec<Context>,
    /// What went wrong, in words of ours.
    pub failed: Option<&'static str>,
}

/// A span that ends when it is dropped; or none, where nothing is recorded.
pub struct Span(Option<Box<Finished>>);

impl Span {
    /// None: nothing that is said of it is kept.
    pub const fn none() -> Self {
        Self(None)
    }

    /// One of its own in the trace of `parent`; none where that isn't recorded, or spans are not made here.
    pub(super) fn child(parent: Option<Context>, kind: Kind, name: impl FnOnce() -> String) -> Self {
        match parent.filter(|_| super::are_on()) {
            Some(parent) => Self::begin(parent.child(), Some(parent.span), kind, name()),
            None => Self::none(),
        }
    }

    /// One that begins a trace of its own, where spans are made.
    pub(super) fn root(kind: Kind, name: impl FnOnce() -> String) -> Self {
        match super::are_on() {
            true => Self::begin(Context::new(), None, kind, name()),
            false => Self::none(),
        }
    }

    /// One in a place that was given away already, as the door's, which is asked for before it is known to be made.
    pub(super) fn at(context: Context, parent: Option<u64>, kind: Kind, name: String) -> Self {
        Self::begin(context, parent, kind, name)
    }

    fn begin(context: Context, parent: Option<u64>, kind: Kind, name: String) -> Self {
        let now = SystemTime::now();
        Self(Some(Box::new(Finished {
            context,
            parent,
            kind,
            name,
            began: now,
            ended: now,
            attributes: Vec::new(),
            links: Vec::new(),
            failed: None,
        })))
    }

    /// Its place, for what it leads to.
    pub fn context(&self) -> Option<Context> {
        self.0.as_ref().map(|span| span.context)
    }

    /// The header for what it leads to; none where nothing is recorded.
    pub fn traceparent(&self) -> Option<String> {
        self.context().map(|context| context.to_string())
    }

    /// What became of it, in a word of ours.
    pub fn outcome(&mut self, outcome: &'static str) {
        self.say(super::conventions::OUTCOME, Value::Word(outcome));
    }

    /// It failed, by a word of ours.
    pub fn failed(&mut self, what: &'static str) {
        self.outcome(what);
        if let Some(span) = &mut self.0 {
            span.failed = Some(what);
        }
    }

    /// It has to do with another span, of this trace or another.
    pub fn link(&mut self, other: Option<Context>) {
        if let (Some(span), Some(other)) = (&mut self.0, other) {
            span.links.push(other);
        }
    }

    /// It began before it was made.
    pub(super) fn began(&mut self, at: SystemTime) {
        if let Some(span) = &mut self.0 {
            span.began = at;
        }
    }

    pub(super) fn say(&mut self, name: &'static str, value: Value) {
        if let Some(span) = &mut self.0 {
            span.attributes.push((name, value));
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let Some(mut span) = self.0.take() else { return };
        span.ended = SystemTime::now();
        let Some(tracing) = TRACING.get() else { return };
        if tracing.finished.try_send(Item::Span(span)).is_err() {
            metrics::counter!("epro_spans_total", "outcome" => "dropped").increment(1);
        }
    }
}
