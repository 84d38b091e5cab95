use std::{sync::atomic::AtomicUsize, task::Wake};

use super::*;

/// A task that counts how often it is woken.
#[derive(Default)]
struct Task(AtomicUsize);

impl Task {
    fn woken(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_verdict_wakes_the_consumer_unless_others_lie_there_already() {
    let (desk, task) = (Desk::new("epro.test"), Arc::new(Task::default()));
    desk.watch(&task.clone().into());
    desk.decide(1, Verdict::Ack);
    assert_eq!(task.woken(), 1);
    desk.watch(&task.clone().into());
    desk.decide(2, Verdict::Ack);
    assert_eq!(task.woken(), 1, "it knows that it has to look");
    let mut taken = Vec::new();
    desk.take(&mut taken);
    assert_eq!(taken, [(1, Verdict::Ack), (2, Verdict::Ack)]);
}

#[test]
fn a_consumer_that_has_taken_what_was_there_is_woken_by_the_next_verdict() {
    let (desk, task) = (Desk::new("epro.test"), Arc::new(Task::default()));
    desk.decide(1, Verdict::Ack);
    desk.watch(&task.clone().into());
    desk.take(&mut Vec::new());
    desk.decide(2, Verdict::Release);
    assert_eq!(task.woken(), 1);
}
