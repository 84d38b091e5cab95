//! The W3C trace context of a request: the caller's, or a new one.

use axum::http::HeaderMap;
use epro_broker::Message;
use epro_process::traces::{self, Span, conventions, parse};
use uuid::Uuid;

/// A trace and our place in it.
pub(crate) struct Trace {
    /// 32 hexadecimal digits.
    pub(crate) id: String,
    /// The header for what we send on: `00-<id>-<our span>-<flags>`.
    pub(crate) parent: String,
    /// The caller's own, if it is of our form.
    pub(crate) given: Option<String>,
}

impl Trace {
    /// The trace that the request belongs to. A header of another form is as good as none: it
    /// could hold anything.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let header = headers.get("traceparent").and_then(|value| value.to_str().ok());
        let given = header.and_then(parse);
        let (id, flags) = match given {
            Some((id, flags)) => (id.to_owned(), flags),
            None => {
                let id = traces::new_id();
                let flags = traces::flags(&id);
                (id, flags)
            }
        };
        let span = Uuid::new_v4().as_u64_pair().1;
        let parent = format!("00-{id}-{span:016x}-{flags}");
        let given = header.filter(|_| given.is_some()).map(str::to_owned);
        Self { id, parent, given }
    }
}

/// The span of a message's publish; ends when it is dropped, after the confirm.
pub(crate) fn publish(message: &mut Message) -> Span {
    let (queue, id) = (&message.routing_key, message.message_id);
    conventions::publish(&mut message.headers.traceparent, queue, id)
}

/// The id of the trace that a request says it belongs to.
pub(crate) fn given(headers: &HeaderMap) -> Option<String> {
    let value = headers.get("traceparent")?.to_str().ok()?;
    parse(value).map(|(id, _)| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_continued_with_a_span_of_our_own() {
        let mut headers = HeaderMap::new();
        let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        headers.insert("traceparent", given.parse().unwrap());
        let trace = Trace::of(&headers);
        assert_eq!(trace.id, "4bf92f3577b34da6a3ce929d0e0e4736");
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
            let trace = Trace::of(&headers);
            assert!(!trace.parent.contains(given) && !given.contains(&trace.id), "{given}");
        }
    }
}
