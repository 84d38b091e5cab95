//! A message on its way out: what it says, where it goes, and the headers that are ours.

use std::fmt;

use epro_schemas::sealed::SealedBody;
use uuid::Uuid;

pub(crate) mod wire;

/// One message to publish. Always sent persistent and mandatory, and what it says always under a seal.
#[derive(Clone)]
pub struct Message {
    /// Name of the exchange, such as [`crate::topology::WORK`] or [`crate::Tier::exchange`].
    pub exchange: String,
    /// Name of the work queue that the message is for, at most 255 bytes.
    pub routing_key: String,
    /// The headers that travel with it, in the clear.
    pub headers: Headers,
    /// What it says, with its type (at most 255 bytes) and its id. Copied once, into the frames that leave.
    body: SealedBody,
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
    /// A message for the work queue named `queue`, through the work exchange. Its header of the key is the body's.
    pub fn work(queue: &str, headers: Headers, body: SealedBody) -> Self {
        Self::through(crate::topology::WORK, queue, headers, body)
    }

    /// The same through another exchange.
    pub(crate) fn through(exchange: &str, routing_key: &str, headers: Headers, body: SealedBody) -> Self {
        let headers = Headers { key_id: body.key_id().map(str::to_owned), ..headers };
        Self { exchange: exchange.to_owned(), routing_key: routing_key.to_owned(), headers, body }
    }

    /// Lets it say something else.
    pub fn says_now(&mut self, body: SealedBody) {
        self.headers.key_id = body.key_id().map(str::to_owned);
        self.body = body;
    }

    /// The message's own id: a new one for each message, also for the same submission.
    pub fn message_id(&self) -> Uuid {
        self.body.message_id()
    }

    /// What it says, under its seal.
    pub fn body(&self) -> &SealedBody {
        &self.body
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("exchange", &self.exchange)
            .field("routing_key", &self.routing_key)
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}
