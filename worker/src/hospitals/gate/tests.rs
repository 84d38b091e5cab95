use tokio::sync::watch;

use super::*;
use crate::hospitals::clock::moved::Hand;
use crate::hospitals::lease::{Held, ttl};

const CALL: Duration = Duration::from_secs(2);

struct Bench {
    hand: Hand,
    gate: Arc<Gate>,
    lease: Lease,
    renew: watch::Sender<Held>,
}

impl Bench {
    /// Ten calls a second, four at once; the first may be made.
    fn new() -> Self {
        let (hand, clock) = Hand::new();
        let breaker = BreakerConfig {
            window: Duration::from_secs(5),
            buckets: 10,
            ratio: 0.5,
            minimum_calls: 5,
            sleep: Duration::from_secs(3),
        };
        let measures = Measures { calls_per_second: 10.0, concurrency: 4, query_share: 0.5, breaker };
        let gate = Gate::new(measures, clock.clone());
        let (renew, lease) = Lease::new(hand.now(), CALL, clock);
        let bench = Self { hand, gate, lease, renew };
        bench.pass(100);
        bench
    }

    /// Time passes while the lease is renewed.
    fn pass(&self, milliseconds: u64) {
        self.hand.pass(milliseconds);
        self.renew.send_replace(Held::Until(self.hand.now() + ttl(CALL)));
    }

    fn admit(&self) -> Result<Permit, Why> {
        self.gate.admit(&self.lease).map_err(|not_now| not_now.why)
    }

    fn why(&self) -> Option<Why> {
        self.admit().err()
    }

    fn call(&self, reported: Reported) {
        self.admit().ok().unwrap().report(reported);
        self.pass(100);
    }

    fn failed() -> Reported {
        Reported::Failed { note: "503".into(), rest: None }
    }
}

#[test]
fn no_call_without_a_lease_that_outlasts_it() {
    let bench = Bench::new();
    bench.hand.pass(3_001);
    assert_eq!(bench.why(), Some(Why::Lease));
    bench.renew.send_replace(Held::Lost);
    assert_eq!(bench.why(), Some(Why::Lease));
}

#[test]
fn a_new_owner_starts_with_an_empty_bucket_and_saves_nothing_up() {
    let bench = Bench::new();
    bench.call(Reported::Well);
    let permit = bench.admit().ok().unwrap();
    assert_eq!(bench.why(), Some(Why::Pace));
    permit.report(Reported::Well);
    assert_eq!(bench.why(), Some(Why::Pace));
}

#[test]
fn no_more_calls_at_once_than_it_may_have() {
    let bench = Bench::new();
    let permits: Vec<Permit> = (0..4)
        .map(|_| {
            let permit = bench.admit().ok().unwrap();
            bench.pass(100);
            permit
        })
        .collect();
    assert_eq!(bench.why(), Some(Why::Busy));
    drop(permits);
    assert_eq!(bench.why(), None);
}

#[test]
fn a_rest_that_the_hospital_asks_for_closes_it_for_every_message() {
    let bench = Bench::new();
    bench.call(Reported::Failed { note: "429".into(), rest: Some(Duration::from_secs(60)) });
    assert_eq!(bench.why(), Some(Why::Rest));
    assert_eq!(bench.gate.look().word, Word::Shut);
    bench.pass(59_800);
    assert_eq!(bench.why(), Some(Why::Rest));
    bench.pass(200);
    assert_eq!(bench.why(), None);
}

#[test]
fn an_open_breaker_lets_one_probe_through_after_its_sleep_and_a_dropped_one_makes_room_for_another() {
    let bench = Bench::new();
    (0..5).for_each(|_| bench.call(Bench::failed()));
    assert_eq!(bench.why(), Some(Why::Breaker));
    assert_eq!(bench.gate.look().word, Word::Open);
    bench.pass(3_000);
    let probe = bench.admit().ok().unwrap();
    bench.pass(100);
    assert_eq!(bench.why(), Some(Why::Breaker));
    assert_eq!(bench.gate.look().word, Word::HalfOpen);
    drop(probe);
    bench.call(Reported::Well);
    assert_eq!((bench.why(), bench.gate.look().word), (None, Word::Closed));
}

#[test]
fn what_is_hopeless_closes_it_at_once_and_a_probe_that_is_refused_opens_it_again() {
    let bench = Bench::new();
    bench.call(Reported::Hopeless { note: "401".into() });
    assert_eq!(bench.why(), Some(Why::Breaker));
    assert_eq!(bench.gate.look().reason.as_deref(), Some("401"));
    bench.pass(3_000);
    bench.call(Reported::Refused { note: "422".into() });
    assert_eq!(bench.why(), None, "it answers");
}

#[test]
fn it_knows_whether_the_hospital_takes_other_messages() {
    let bench = Bench::new();
    assert!(!bench.gate.takes_others());
    bench.call(Reported::Well);
    assert!(bench.gate.refuses_few());
    bench.call(Reported::Refused { note: "AR".into() });
    assert!(bench.gate.takes_others() && !bench.gate.refuses_few());
    bench.pass(5_000);
    assert!(!bench.gate.takes_others(), "that was before the window");
}

#[test]
fn what_was_counted_is_told_once() {
    let bench = Bench::new();
    bench.call(Reported::Well);
    bench.call(Bench::failed());
    let counted = bench.gate.look().counted;
    assert_eq!((counted.calls, counted.taken, counted.failed), (2, 1, 1));
    assert_eq!(counted.error.map(|(note, _)| note).as_deref(), Some("503"));
    assert_eq!(bench.gate.look().counted, Counted::default());
}

#[test]
fn questions_get_their_share_of_the_pace_and_leave_a_place_free() {
    let bench = Bench::new();
    let ask = || bench.gate.admit_question(&bench.lease);
    let mut under_way = vec![ask().unwrap()];
    bench.pass(100);
    assert_eq!(ask().err().unwrap().why, Why::Pace, "half of ten a second is one each 200 ms");
    assert!(bench.gate.admit(&bench.lease).is_ok(), "what is delivered goes on");
    for _ in 0..2 {
        bench.pass(200);
        under_way.push(ask().unwrap());
    }
    bench.pass(200);
    assert_eq!(ask().err().unwrap().why, Why::Busy, "of four at once one is kept free");
    let delivery = bench.gate.admit(&bench.lease).unwrap();
    under_way.remove(0).report(Reported::Answered);
    delivery.report(Reported::Refused { note: String::new() });
    assert!(!bench.gate.takes_others(), "an answer to a question says nothing of how messages are taken");
    bench.pass(200);
    assert!(ask().is_ok());
}
