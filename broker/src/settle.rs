//! The order of settling, without I/O.
//!
//! The broker closes the channel, and with it may go the connection, when a tag is settled
//! twice; and an `ack(multiple)` takes every unsettled tag below it along. So one ledger per
//! channel decides what is sent and in which order, and one task sends it.

use std::collections::VecDeque;

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
    /// `basic.nack(requeue)` of all unsettled tags up to this one.
    NackUpTo(u64),
    /// `basic.reject(requeue)` of this tag: requeue.
    Reject(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    /// A tag that the broker used but that never reached us: it stays unsettled.
    Unseen,
    Undecided,
    Decided(Verdict),
    Sent,
}

/// What was received, decided and sent on one channel.
#[derive(Debug)]
pub struct Ledger {
    /// Tag of the first entry; everything below is settled. AMQP counts from 1 on each channel.
    frontier: u64,
    entries: VecDeque<Entry>,
    outstanding: usize,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { frontier: 1, entries: VecDeque::new(), outstanding: 0 }
    }
}

impl Ledger {
    /// A delivery with this tag came in. Tags only grow; one that doesn't is ignored.
    pub fn received(&mut self, tag: u64) {
        let next = self.frontier + self.entries.len() as u64;
        if tag < next {
            return;
        }
        for _ in next..tag {
            self.entries.push_back(Entry::Unseen);
        }
        self.entries.push_back(Entry::Undecided);
        self.outstanding += 1;
    }

    /// It was decided. The first decision of a tag counts.
    pub fn decide(&mut self, tag: u64, verdict: Verdict) {
        if let Some(entry @ Entry::Undecided) = self.entry(tag) {
            *entry = Entry::Decided(verdict);
        }
    }

    /// The last frames of a channel: everything decided, and whatever isn't is released, also what never
    /// reached us. In the order of the tags, one frame for each run of acks and of releases: all below a
    /// run is settled by then, and the broker, which stashes what comes in hundreds of frames, would
    /// forget the end of them when the channel closes.
    pub fn take_rest(&mut self) -> Vec<Frame> {
        let mut frames: Vec<Frame> = Vec::new();
        for entry in std::mem::take(&mut self.entries) {
            let tag = self.frontier;
            self.frontier += 1;
            let verdict = match entry {
                Entry::Unseen | Entry::Undecided => Verdict::Release,
                Entry::Decided(verdict) => verdict,
                Entry::Sent => continue,
            };
            match (verdict, frames.last_mut()) {
                (Verdict::Ack, Some(Frame::AckUpTo(last)))
                | (Verdict::Release, Some(Frame::NackUpTo(last))) => *last = tag,
                (Verdict::Ack, _) => frames.push(Frame::AckUpTo(tag)),
                (Verdict::Release, _) => frames.push(Frame::NackUpTo(tag)),
                (Verdict::Requeue, _) => frames.push(Frame::Reject(tag)),
            }
        }
        self.outstanding = 0;
        frames
    }

    /// Received and not sent yet.
    pub fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// The frames to send now, in this order: first what is given back, then the acks up to
    /// the first undecided tag in one frame, and past it, one by one, only if asked.
    pub fn take(&mut self, past_stragglers: bool) -> Vec<Frame> {
        let mut frames = Vec::new();
        self.take_given_back(&mut frames);
        self.take_up_to_frontier(&mut frames);
        if past_stragglers {
            self.take_past_stragglers(&mut frames);
        }
        frames
    }

    fn take_given_back(&mut self, frames: &mut Vec<Frame>) {
        for (tag, entry) in (self.frontier..).zip(&mut self.entries) {
            match entry {
                Entry::Decided(Verdict::Release) => frames.push(Frame::Nack(tag)),
                Entry::Decided(Verdict::Requeue) => frames.push(Frame::Reject(tag)),
                Entry::Decided(Verdict::Ack) | Entry::Unseen | Entry::Undecided | Entry::Sent => continue,
            }
            *entry = Entry::Sent;
            self.outstanding -= 1;
        }
    }

    /// Moves the frontier; what was given back is sent by now, so only acks are left below it.
    fn take_up_to_frontier(&mut self, frames: &mut Vec<Frame>) {
        let mut last = None;
        while let Some(entry) = self.entries.front() {
            match entry {
                Entry::Decided(_) => {
                    last = Some(self.frontier);
                    self.outstanding -= 1;
                }
                Entry::Sent => {}
                Entry::Unseen | Entry::Undecided => break,
            }
            self.entries.pop_front();
            self.frontier += 1;
        }
        // The tag itself must be unsettled, or the broker closes the channel.
        frames.extend(last.map(Frame::AckUpTo));
    }

    fn take_past_stragglers(&mut self, frames: &mut Vec<Frame>) {
        for (tag, entry) in (self.frontier..).zip(&mut self.entries) {
            if *entry == Entry::Decided(Verdict::Ack) {
                frames.push(Frame::AckOne(tag));
                *entry = Entry::Sent;
                self.outstanding -= 1;
            }
        }
    }

    fn entry(&mut self, tag: u64) -> Option<&mut Entry> {
        let index = usize::try_from(tag.checked_sub(self.frontier)?).ok()?;
        self.entries.get_mut(index)
    }
}

#[cfg(test)]
mod tests;
