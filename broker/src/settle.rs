//! The order of settling, without I/O.

/// What was decided about a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Done.
    Ack,
    /// Given back, not its fault.
    Release,
    /// Given back as a failed try.
    Requeue,
}

/// One frame to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// `basic.ack` of all unsettled tags up to this one.
    AckUpTo(u64),
    /// `basic.ack` of this tag.
    AckOne(u64),
    /// `basic.nack(requeue)` of this tag: release.
    Nack(u64),
    /// `basic.reject(requeue)` of this tag: requeue.
    Reject(u64),
}

/// What was received, decided and sent on one channel.
#[derive(Debug, Default)]
pub struct Ledger {}

impl Ledger {
    /// A delivery with this tag came in.
    pub fn received(&mut self, tag: u64) {
        let _ = tag;
        unimplemented!()
    }

    /// It was decided. The first decision of a tag counts.
    pub fn decide(&mut self, tag: u64, verdict: Verdict) {
        let _ = (tag, verdict);
        unimplemented!()
    }

    /// The frames to send now, in this order.
    pub fn take(&mut self, past_stragglers: bool) -> Vec<Frame> {
        let _ = past_stragglers;
        unimplemented!()
    }
}
