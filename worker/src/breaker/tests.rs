use super::*;

const CONFIG: BreakerConfig = BreakerConfig {
    window: Duration::from_secs(5),
    buckets: 10,
    ratio: 0.5,
    minimum_calls: 5,
    sleep: Duration::from_secs(3),
};

/// A breaker and a clock that the test moves.
struct Bench {
    breaker: Breaker,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        Self { breaker: Breaker::new(CONFIG), now: Instant::now() }
    }

    fn pass(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
    }

    fn answered(&mut self, times: u32) {
        (0..times).for_each(|_| self.breaker.answered(false, self.now));
    }

    fn failed(&mut self, times: u32) {
        (0..times).for_each(|_| self.breaker.failed(false, self.now));
    }

    fn is_open(&self) -> bool {
        matches!(self.breaker.state(self.now), State::Open { .. })
    }

    fn opened() -> Self {
        let mut bench = Self::new();
        bench.failed(5);
        assert!(bench.is_open());
        bench
    }
}

#[test]
fn it_opens_when_half_of_at_least_the_minimum_of_calls_failed() {
    let mut bench = Bench::new();
    bench.failed(4);
    assert!(!bench.is_open(), "four calls are no proof");
    bench.failed(1);
    assert!(bench.is_open());

    let mut bench = Bench::new();
    bench.answered(6);
    bench.failed(5);
    assert!(!bench.is_open());
    bench.failed(1);
    assert!(bench.is_open(), "six of twelve");
}

#[test]
fn what_lies_outside_of_the_window_counts_no_more_bucket_by_bucket() {
    let mut bench = Bench::new();
    bench.failed(4);
    bench.pass(4_999);
    bench.failed(0);
    assert!(!bench.is_open());
    bench.pass(1);
    bench.failed(1);
    assert!(!bench.is_open(), "the first four have left the window");
    bench.failed(4);
    assert!(bench.is_open());

    let mut bench = Bench::new();
    bench.answered(4);
    bench.pass(3_000);
    bench.failed(3);
    assert!(!bench.is_open(), "three of seven");
    bench.pass(2_100);
    bench.failed(2);
    assert!(bench.is_open(), "the good ones are older than the window by now");
}

#[test]
fn open_lets_nothing_through_until_its_sleep_is_over_then_one_probe() {
    let mut bench = Bench::opened();
    bench.pass(2_999);
    assert_eq!(bench.breaker.passes(bench.now), Err(Stop::Until(bench.now + Duration::from_millis(1))));
    bench.pass(1);
    assert_eq!(bench.breaker.passes(bench.now), Ok(true));
    bench.breaker.probe();
    assert_eq!(bench.breaker.passes(bench.now), Err(Stop::Probing));
}

#[test]
fn a_probe_that_is_answered_closes_it_and_forgets_the_past() {
    let mut bench = Bench::opened();
    bench.pass(3_000);
    bench.breaker.probe();
    bench.breaker.answered(true, bench.now);
    assert_eq!(bench.breaker.passes(bench.now), Ok(false));
    bench.failed(3);
    assert!(!bench.is_open());
}

#[test]
fn a_probe_that_fails_opens_it_for_another_sleep() {
    let mut bench = Bench::opened();
    bench.pass(3_000);
    bench.breaker.probe();
    bench.pass(2_000);
    bench.breaker.failed(true, bench.now);
    assert_eq!(bench.breaker.passes(bench.now), Err(Stop::Until(bench.now + CONFIG.sleep)));
}

#[test]
fn a_probe_that_was_dropped_lets_another_go() {
    let mut bench = Bench::opened();
    bench.pass(3_000);
    bench.breaker.probe();
    bench.breaker.probe_dropped();
    assert_eq!(bench.breaker.passes(bench.now), Ok(true));
}

#[test]
fn calls_that_were_under_way_when_it_opened_neither_close_it_nor_lengthen_its_sleep() {
    let mut bench = Bench::opened();
    let State::Open { until } = bench.breaker.state(bench.now) else { panic!("it is open") };
    bench.pass(1_000);
    bench.failed(3);
    bench.answered(1);
    assert_eq!(bench.breaker.state(bench.now), State::Open { until });
    bench.pass(2_000);
    bench.breaker.probe();
    bench.failed(1);
    assert_eq!(bench.breaker.state(bench.now), State::HalfOpen { probing: true });
}

#[test]
fn what_says_that_no_call_can_succeed_opens_it_at_once() {
    let mut bench = Bench::new();
    bench.answered(100);
    bench.breaker.trip(false, bench.now);
    assert!(bench.is_open());
}
