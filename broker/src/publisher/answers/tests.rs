//! Against a model of the broker and of the client library's attribution.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::{collection::vec, prelude::*};

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Stored,
    Unroutable,
    Full,
}

#[derive(Clone, Debug)]
enum Step {
    Publish(Fate),
    /// The broker settles some of what is in flight, in this order, in one frame.
    Settle(Vec<usize>),
    /// We look at one completed confirm, whichever.
    Look(usize),
    /// We look at all of them.
    Drain,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![3 => Just(Fate::Stored), 2 => Just(Fate::Unroutable), 1 => Just(Fate::Full)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => fate().prop_map(Step::Publish),
        2 => vec(any::<usize>(), 1..6).prop_map(Step::Settle),
        3 => any::<usize>().prop_map(Step::Look),
        1 => Just(Step::Drain),
    ]
}

#[derive(Default)]
struct Model {
    next: u64,
    fates: BTreeMap<u64, Fate>,
    /// Sent, not settled by the broker.
    in_flight: Vec<u64>,
    /// Unroutable ones whose return is still to be sent; it goes before their confirm.
    unreturned: BTreeSet<u64>,
    /// lapin's line of returned messages.
    line: VecDeque<u64>,
    /// Completed in lapin, not looked at.
    completed: Vec<(u64, Landing)>,
    answers: Answers<u64>,
    answered: BTreeMap<u64, Answer>,
}

/// Tickets aren't numbers, and not in order.
fn ticket(number: u64) -> u64 {
    u64::MAX - number * 7 % 1009
}

impl Model {
    fn step(&mut self, step: Step) {
        match step {
            Step::Publish(fate) => {
                self.fates.insert(self.next, fate);
                self.in_flight.push(self.next);
                if fate == Fate::Unroutable {
                    self.unreturned.insert(self.next);
                }
                self.next += 1;
            }
            Step::Settle(which) => self.settle(which),
            Step::Look(which) if !self.completed.is_empty() => {
                let (number, landing) = self.completed.remove(which % self.completed.len());
                self.look(number, landing);
            }
            Step::Look(_) => {}
            Step::Drain => self.drain(),
        }
    }

    /// Returns first, those of later messages perhaps too, then the confirms.
    fn settle(&mut self, which: Vec<usize>) {
        let mut settled = Vec::new();
        for index in which {
            if !self.in_flight.is_empty() {
                settled.push(self.in_flight.swap_remove(index % self.in_flight.len()));
            }
        }
        let last = settled.iter().copied().max().unwrap_or(0);
        let due: Vec<u64> = self.unreturned.range(..=last).copied().collect();
        for number in due {
            self.unreturned.remove(&number);
            self.line.push_back(ticket(number));
        }
        for number in settled {
            let message = self.line.pop_front();
            let landing = match self.fates[&number] {
                Fate::Full => Landing::Nack(message),
                Fate::Stored | Fate::Unroutable => Landing::Ack(message),
            };
            self.completed.push((number, landing));
        }
    }

    fn look(&mut self, number: u64, landing: Landing) {
        let known = self.answers.landed(number, self.next, ticket(number), number, landing);
        if let Some((number, answer)) = known {
            self.note(number, answer);
        }
    }

    fn drain(&mut self) {
        for (number, landing) in std::mem::take(&mut self.completed) {
            self.look(number, landing);
        }
        let mut now = Vec::new();
        self.answers.drained(self.in_flight.is_empty(), |number, answer| now.push((number, answer)));
        now.into_iter().for_each(|(number, answer)| self.note(number, answer));
    }

    fn note(&mut self, number: u64, answer: Answer) {
        let right = match self.fates[&number] {
            Fate::Stored => Ok(()),
            Fate::Unroutable => Err(returned()),
            Fate::Full => Err(PublishError::Nacked),
        };
        assert_eq!(answer, right, "publish {number}");
        assert!(self.answered.insert(number, answer).is_none(), "publish {number} was answered twice");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    #[test]
    fn whoever_gets_whose_return_every_publish_gets_its_own_answer(steps in vec(step(), 0..150)) {
        let mut model = Model::default();
        for step in steps {
            model.step(step);
        }
        while !model.in_flight.is_empty() {
            model.settle(vec![0]);
        }
        model.drain();
        prop_assert_eq!(model.answered.len(), model.fates.len(), "everybody is answered in the end");
        prop_assert!(model.answers.is_empty());
        prop_assert!(model.answers.returned.is_empty(), "nothing is remembered for ever");
    }
}
