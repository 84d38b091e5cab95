//! A message on its way out: what it says, where it goes, and the headers that are ours.

use bytes::Bytes;
use uuid::Uuid;

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
}

impl Default for Headers {
    fn default() -> Self {
        Self { traceparent: None, attempt: 1, deadline: None, waits: 0, waiting_since: None, key_id: None }
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
