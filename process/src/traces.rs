//! Traces: spans of one submission's way, from the door to the hospital, and where they are sent.
//!
//! Without `traces.endpoint` no span is made: each question for one ends at a look at a value that isn't there. A
//! span is made where the trace is sampled, which whoever began it has decided. What a span says is in
//! [`conventions`], and nowhere else.

mod context;
pub mod conventions;
mod exporter;
mod otlp;
mod span;

use std::sync::OnceLock;

use tokio::sync::mpsc;

pub use context::{Context, parse};
pub use exporter::Exporter;
pub use span::Span;

use crate::config::{Problem, TracesConfig};

/// Spans that wait to be sent; those above it are dropped and counted.
const WAITING: usize = 8192;

/// Where spans go in this process, once [`start`] has said so.
static TRACING: OnceLock<Tracing> = OnceLock::new();

struct Tracing {
    ratio: f64,
    finished: mpsc::Sender<exporter::Item>,
}

/// Spans are made from now on, if there is somewhere to send them. Once a process, within its runtime.
///
/// # Errors
/// Everything that is wrong with the files of its TLS.
pub fn start(
    config: &TracesConfig,
    process: &'static str,
    version: &'static str,
) -> Result<Exporter, Vec<Problem>> {
    let Some(endpoint) = &config.endpoint else { return Ok(Exporter::nowhere()) };
    let (finished, arriving) = mpsc::channel(WAITING);
    let exporter = Exporter::start(endpoint, &config.tls, arriving, otlp::resource(process, version))?;
    // A second start changes nothing.
    let _ = TRACING.set(Tracing { ratio: config.ratio, finished });
    tracing::info!(%endpoint, ratio = config.ratio, "spans are sent");
    Ok(exporter)
}

/// Whether spans are made in this process.
pub fn are_on() -> bool {
    TRACING.get().is_some()
}

/// The flags of a trace that begins with us, by its id, so that every process decides alike: `01` if it is recorded.
pub fn flags(trace_id: &str) -> &'static str {
    let recorded = TRACING.get().is_some_and(|tracing| {
        // The last 56 bits are random, as W3C asks for.
        let random = trace_id.get(18..).and_then(|id| u64::from_str_radix(id, 16).ok()).unwrap_or(0);
        (random as f64) < tracing.ratio * (1_u64 << 56) as f64
    });
    if recorded { "01" } else { "00" }
}

/// The id of a trace that begins with us.
pub fn new_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// A place in a trace that is known by its id only, for what comes so late that nobody knows after what it came.
pub fn continued(trace_id: &str) -> Option<String> {
    let is_id = trace_id.len() == 32 && trace_id.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_id.then(|| format!("00-{trace_id}-{:016x}-{}", context::random(), flags(trace_id)))
}

/// The trace of a `traceparent`, for a log line.
pub fn id_of(traceparent: &str) -> Option<&str> {
    traceparent.get(3..35)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_that_begins_with_us_has_an_id_and_places_of_the_form_that_is_believed() {
        let id = new_id();
        let place = continued(&id).unwrap();
        assert_eq!(parse(&place), Some((id.as_str(), "00")));
        assert_eq!(id_of(&place), Some(id.as_str()));
        assert_ne!(new_id(), id);
        assert_eq!(continued("Marta Planted"), None);
    }

    #[test]
    fn without_an_endpoint_no_span_is_made_and_a_message_keeps_its_header() {
        let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let mut header = Some(given.to_owned());
        let span = conventions::publish(&mut header, "epro.alerts", uuid::Uuid::nil());
        assert_eq!(span.context(), None);
        assert_eq!(header.as_deref(), Some(given));
        assert_eq!(flags("4bf92f3577b34da6a3ce929d0e0e4736"), "00");
    }
}
