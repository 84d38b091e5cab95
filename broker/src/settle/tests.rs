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

    fn settle_up_to(&mut self, last: u64, verdict: Verdict) {
        assert!(self.unsettled.contains(&last), "tag {last} of a multiple is settled: 406");
        for tag in self.unsettled.clone().range(..=last) {
            self.settle(*tag, verdict);
        }
    }

    fn receive(&mut self, frame: Frame) {
        match frame {
            Frame::AckUpTo(last) => self.settle_up_to(last, Verdict::Ack),
            Frame::NackUpTo(last) => self.settle_up_to(last, Verdict::Release),
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
            Step::Meddle(tag, verdict) if !self.in_hand.contains(&tag) => self.ledger.decide(tag, verdict),
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
    fn after_the_last_frames_nothing_is_left_unsettled_and_what_was_decided_stands(steps in vec(step(), 0..120)) {
        let mut run = Run::default();
        for step in steps {
            run.step(step);
        }
        run.ledger.received(run.tag + 1);
        run.broker.unsettled.insert(run.tag + 1);
        for frame in run.ledger.take_rest() {
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

#[test]
fn the_last_frames_are_one_for_each_run_of_acks_and_of_releases() {
    let mut ledger = Ledger::default();
    (1..=900).for_each(|tag| ledger.received(tag));
    (1..=20).chain(301..=320).for_each(|tag| ledger.decide(tag, Verdict::Ack));
    ledger.decide(400, Verdict::Requeue);
    let frames = [
        Frame::AckUpTo(20),
        Frame::NackUpTo(300),
        Frame::AckUpTo(320),
        Frame::NackUpTo(399),
        Frame::Reject(400),
        Frame::NackUpTo(900),
    ];
    assert_eq!(ledger.take_rest(), frames);
}
