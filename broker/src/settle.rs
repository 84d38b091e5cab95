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

    /// Releases whatever isn't decided yet, also what never reached us.
    pub fn release_rest(&mut self) {
        for entry in &mut self.entries {
            match entry {
                Entry::Unseen => {
                    *entry = Entry::Decided(Verdict::Release);
                    self.outstanding += 1;
                }
                Entry::Undecided => *entry = Entry::Decided(Verdict::Release),
                Entry::Decided(_) | Entry::Sent => {}
            }
        }
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
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// The broker's side: knows what is unsettled, and refuses what RabbitMQ refuses.
    #[derive(Default)]
    struct Broker {
        unsettled: BTreeSet<u64>,
        settled: BTreeMap<u64, Verdict>,
    }

    impl Broker {
        fn settle(&mut self, tag: u64, verdict: Verdict) {
            assert!(self.unsettled.remove(&tag), "tag {tag} was settled twice: 406");
            assert!(self.settled.insert(tag, verdict).is_none());
        }

        fn receive(&mut self, frame: Frame) {
            match frame {
                Frame::AckUpTo(last) => {
                    assert!(self.unsettled.contains(&last), "tag {last} of a multiple is settled: 406");
                    for tag in self.unsettled.clone().range(..=last) {
                        self.settle(*tag, Verdict::Ack);
                    }
                }
                Frame::AckOne(tag) => self.settle(tag, Verdict::Ack),
                Frame::Nack(tag) => self.settle(tag, Verdict::Release),
                Frame::Reject(tag) => self.settle(tag, Verdict::Requeue),
            }
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Receive,
        /// The broker uses a tag that never reaches us.
        Swallow,
        Decide(prop::sample::Index, Verdict),
        /// Decides something that was decided before, or never received.
        Meddle(u64, Verdict),
        Take(bool),
    }

    fn verdict() -> impl Strategy<Value = Verdict> {
        prop_oneof![4 => Just(Verdict::Ack), 1 => Just(Verdict::Release), 1 => Just(Verdict::Requeue)]
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => Just(Step::Receive),
            1 => Just(Step::Swallow),
            8 => (any::<prop::sample::Index>(), verdict()).prop_map(|(which, verdict)| Step::Decide(which, verdict)),
            1 => (0..60_u64, verdict()).prop_map(|(tag, verdict)| Step::Meddle(tag, verdict)),
            3 => any::<bool>().prop_map(Step::Take),
        ]
    }

    #[derive(Default)]
    struct Run {
        ledger: Ledger,
        broker: Broker,
        tag: u64,
        in_hand: Vec<u64>,
        decided: BTreeMap<u64, Verdict>,
    }

    impl Run {
        fn step(&mut self, step: Step) {
            match step {
                Step::Receive => {
                    self.tag += 1;
                    self.broker.unsettled.insert(self.tag);
                    self.ledger.received(self.tag);
                    self.in_hand.push(self.tag);
                }
                Step::Swallow => {
                    self.tag += 1;
                    self.broker.unsettled.insert(self.tag);
                }
                Step::Decide(which, verdict) if !self.in_hand.is_empty() => {
                    let tag = self.in_hand.swap_remove(which.index(self.in_hand.len()));
                    self.decided.insert(tag, verdict);
                    self.ledger.decide(tag, verdict);
                }
                Step::Decide(..) => {}
                Step::Meddle(tag, verdict) if !self.in_hand.contains(&tag) => {
                    self.ledger.decide(tag, verdict)
                }
                Step::Meddle(..) => {}
                Step::Take(past) => self.take(past),
            }
        }

        fn take(&mut self, past: bool) {
            for frame in self.ledger.take(past) {
                self.broker.receive(frame);
            }
            for (tag, verdict) in &self.broker.settled {
                assert_eq!(self.decided.get(tag), Some(verdict), "tag {tag}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn no_order_of_settling_acks_an_unsettled_tag_or_settles_one_twice(steps in vec(step(), 0..120)) {
            let mut run = Run::default();
            for step in steps {
                run.step(step);
            }
            run.take(true);
            prop_assert_eq!(&run.broker.settled, &run.decided, "everything decided reaches the broker");
            prop_assert_eq!(run.ledger.outstanding(), run.in_hand.len());
        }

        #[test]
        fn after_releasing_the_rest_nothing_is_left_unsettled(steps in vec(step(), 0..120)) {
            let mut run = Run::default();
            for step in steps {
                run.step(step);
            }
            run.ledger.received(run.tag + 1);
            run.broker.unsettled.insert(run.tag + 1);
            run.ledger.release_rest();
            for frame in run.ledger.take(true) {
                run.broker.receive(frame);
            }
            prop_assert!(run.broker.unsettled.is_empty());
            prop_assert_eq!(run.ledger.outstanding(), 0);
            for (tag, verdict) in run.decided {
                prop_assert_eq!(run.broker.settled[&tag], verdict);
            }
        }
    }

    #[test]
    fn a_chunk_is_acked_in_one_frame_up_to_the_straggler_and_past_it_only_when_asked() {
        let mut ledger = Ledger::default();
        (1..=6).for_each(|tag| ledger.received(tag));
        for tag in [1, 2, 4, 6] {
            ledger.decide(tag, Verdict::Ack);
        }
        assert_eq!(ledger.take(false), [Frame::AckUpTo(2)]);
        assert_eq!(ledger.take(false), []);
        assert_eq!(ledger.take(true), [Frame::AckOne(4), Frame::AckOne(6)]);
        ledger.decide(3, Verdict::Requeue);
        ledger.decide(5, Verdict::Ack);
        assert_eq!(ledger.take(false), [Frame::Reject(3), Frame::AckUpTo(5)]);
        assert_eq!(ledger.outstanding(), 0);
    }
}
