//! One handing of a message to us.

use bytes::Bytes;
use epro_schemas::receipt::Receipt;
use uuid::Uuid;

use crate::message::Headers;

/// One handing of a message to us; settled by value. Dropped unsettled it is given back as a
/// failed try, and counted.
#[must_use = "a delivery is settled: ack, release or requeue"]
#[derive(Debug)]
pub struct Delivery {}

/// Where the broker first dead-lettered a message, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Death {
    /// `rejected`, `expired`, `maxlen`, `delivery_limit`.
    pub reason: String,
    /// The queue it died in.
    pub queue: String,
}

impl Delivery {
    /// The bytes; cheap to clone.
    pub fn body(&self) -> Bytes {
        unimplemented!()
    }

    /// The message's id, if it is a UUID.
    pub fn message_id(&self) -> Option<Uuid> {
        unimplemented!()
    }

    /// What the body is, such as `epro.submission.v1`.
    pub fn kind(&self) -> Option<&str> {
        unimplemented!()
    }

    /// The headers of ours.
    pub fn headers(&self) -> Headers {
        unimplemented!()
    }

    /// Whether the broker has handed it out before.
    pub fn redelivered(&self) -> bool {
        unimplemented!()
    }

    /// The queue it came from.
    pub fn queue(&self) -> &str {
        unimplemented!()
    }

    /// Where the broker first dead-lettered it.
    pub fn death(&self) -> Option<Death> {
        unimplemented!()
    }

    /// Whether its decision can still reach the broker. Ask before the work: a process that
    /// was stopped for long may hold deliveries that went to someone else.
    pub fn is_live(&self) -> bool {
        unimplemented!()
    }

    /// Header names and values for a dead letter; an unknown one as `#3`, without its value.
    pub fn raw_headers(&self) -> Vec<(String, String)> {
        unimplemented!()
    }

    /// Done: the broker may forget it, because what it carried is safe elsewhere.
    pub fn ack(self, receipt: &impl Receipt) {
        let _ = receipt;
        unimplemented!()
    }

    /// Gives it back, not its fault.
    pub fn release(self) {
        unimplemented!()
    }

    /// Gives it back as a failed try.
    pub fn requeue(self) {
        unimplemented!()
    }
}
