//! A message on its way out: what it says, where it goes, and the headers that are ours.

use std::fmt;

use bytes::Bytes;
use uuid::Uuid;

pub(crate) mod wire;

/// One message to publish. Always sent persistent and mandatory.
#[derive(Clone)]
pub struct Message {
    /// Name of the exchange, such as [`crate::topology::WORK`] or [`crate::Tier::exchange`].
    pub exchange: String,
    /// Name of the work queue that the message is for, at most 255 bytes.
    pub routing_key: String,
    /// The message's own id: a new one for each message, also for the same submission.
    pub message_id: Uuid,
    /// What the body is, such as `epro.submission.v1`, at most 255 bytes.
    pub kind: String,
    /// The headers that travel with it.
    pub headers: Headers,
    /// The bytes. Copied once, into the frames that leave.
    pub body: Bytes,
}

/// The headers of ours. A message from a stranger reads as the defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headers {
    /// W3C trace context, `00-<32 hex>-<16 hex>-<2 hex>`.
    pub traceparent: Option<String>,
    /// The try that is being charged, from 1 (`epro-attempt`).
    pub attempt: u32,
    /// Unix milliseconds after which nobody waits for the outcome (`epro-deadline`).
    pub deadline: Option<i64>,
    /// How often it was parked (`epro-waits`).
    pub waits: u32,
    /// Unix milliseconds of the first time it was parked (`epro-waiting-since`).
    pub waiting_since: Option<i64>,
    /// Id of the key that seals the body (`epro-key`).
    pub key_id: Option<String>,
    /// The site, a configured name (`epro-site`).
    pub site: Option<String>,
    /// The study, a configured name (`epro-study`).
    pub study: Option<String>,
    /// What intake found dangerous, as `rule=severity,rule=severity` (`epro-signals`), so that an
    /// alert can be addressed even when the body can't be opened.
    pub signals: Option<String>,
}

impl Default for Headers {
    fn default() -> Self {
        Self {
            traceparent: None,
            attempt: 1,
            deadline: None,
            waits: 0,
            waiting_since: None,
            key_id: None,
            site: None,
            study: None,
            signals: None,
        }
    }
}

impl Headers {
    /// The headers of a message that is published anew from its dead letter: what
    /// [`crate::RawHeaders::shown`] gave, without what counted its tries and waits.
    pub fn redriven<'a>(shown: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        wire::redriven(shown)
    }
}

impl Message {
    /// A message for the work queue named `queue`, through the work exchange.
    pub fn work(queue: &str, message_id: Uuid, kind: &str, headers: Headers, body: Bytes) -> Self {
        Self {
            exchange: crate::topology::WORK.to_owned(),
            routing_key: queue.to_owned(),
            message_id,
            kind: kind.to_owned(),
            headers,
            body,
        }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("exchange", &self.exchange)
            .field("routing_key", &self.routing_key)
            .field("message_id", &self.message_id)
            .field("kind", &self.kind)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}
