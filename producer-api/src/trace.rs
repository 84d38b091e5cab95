//! The W3C trace context of a request: the caller's, or a new one.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName};
use epro_broker::Message;
use epro_process::traces::{self, Span, conventions, parse};
use uuid::Uuid;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The header of a request that is of our form, read once. One of another form is as good as none: it could hold
/// anything.
#[derive(Clone)]
pub(crate) struct Given(Arc<str>);

impl Given {
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let header = headers.get(TRACEPARENT)?.to_str().ok()?;
        parse(header).map(|_| Self(header.into()))
    }

    /// All of it.
    pub(crate) fn header(&self) -> &str {
        &self.0
    }

    /// The id of the trace that the request says it belongs to.
    pub(crate) fn id(&self) -> &str {
        id_of(&self.0)
    }

    fn flags(&self) -> &str {
        self.0.rsplit_once('-').map_or("00", |(_, flags)| flags)
    }
}

/// A trace and our place in it.
pub(crate) struct Trace {
    /// The header for what we send on: `00-<id>-<our span>-<flags>`.
    pub(crate) parent: String,
}

impl Trace {
    /// The trace that a request belongs to: the caller's, or a new one.
    pub(crate) fn of(given: Option<&Given>) -> Self {
        let span = Uuid::new_v4().as_u64_pair().1;
        let parent = match given {
            Some(given) => format!("00-{}-{span:016x}-{}", given.id(), given.flags()),
            None => {
                let id = traces::new_id();
                format!("00-{id}-{span:016x}-{}", traces::flags(&id))
            }
        };
        Self { parent }
    }

    /// 32 hexadecimal digits.
    pub(crate) fn id(&self) -> &str {
        id_of(&self.parent)
    }
}

/// Of a header of our form.
fn id_of(header: &str) -> &str {
    traces::id_of(header).unwrap_or_default()
}

/// The span of a message's publish; ends when it is dropped, after the confirm.
pub(crate) fn publish(message: &mut Message) -> Span {
    let id = message.message_id();
    conventions::publish(&mut message.headers.traceparent, &message.routing_key, id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_continued_with_a_span_of_our_own() {
        let mut headers = HeaderMap::new();
        let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        headers.insert("traceparent", given.parse().unwrap());
        let read = Given::of(&headers).unwrap();
        assert_eq!((read.header(), read.id()), (given, "4bf92f3577b34da6a3ce929d0e0e4736"));
        let trace = Trace::of(Some(&read));
        assert_eq!(trace.id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert!(trace.parent.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
        assert!(trace.parent.ends_with("-01"));
        assert_ne!(trace.parent, given);
        assert!(parse(&trace.parent).is_some());
    }

    #[test]
    fn a_header_of_another_form_is_never_passed_on() {
        for given in [
            "Marta Planted",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-Marta",
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", given.parse().unwrap());
            assert!(Given::of(&headers).is_none(), "{given}");
        }
    }

    #[test]
    fn a_trace_that_nobody_began_begins_with_us_and_is_a_new_one_each_time() {
        let (one, other) = (Trace::of(None), Trace::of(None));
        assert_eq!(parse(&one.parent), Some((one.id(), "00")));
        assert_ne!(one.id(), other.id());
    }
}
