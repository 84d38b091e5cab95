//! The span of a delivery: made when it is taken in hand, ended when it is decided. Where its trace isn't recorded
//! there is none, and nothing is read for it.

use epro_broker::Delivery;
use epro_process::traces::{self, Context, Span, conventions};

/// The span of a delivery that is taken in hand.
pub(crate) fn taken(delivery: &Delivery, lane: &'static str) -> Span {
    if traces::are_on() { taken_in(delivery.traceparent(), delivery, lane) } else { Span::none() }
}

/// The same in a trace that is known otherwise: a relayed message has no header.
pub(crate) fn taken_in(traceparent: Option<&str>, delivery: &Delivery, lane: &'static str) -> Span {
    if !traces::are_on() || traceparent.and_then(Context::recorded).is_none() {
        return Span::none();
    }
    let headers = delivery.headers();
    conventions::process(&conventions::Delivered {
        traceparent,
        queue: delivery.queue(),
        lane,
        message: delivery.message_id(),
        attempt: headers.attempt,
        waits: headers.waits,
        redelivered: delivery.redelivered(),
    })
}

/// The trace that a delivery belongs to, recorded or not, for a log line.
pub(crate) fn trace_id(delivery: &Delivery) -> Option<&str> {
    delivery.traceparent().and_then(traces::id_of)
}
