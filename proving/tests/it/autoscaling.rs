//! The arithmetic by which workers are scaled, under the rule that is shipped: whatever comes, the number is bounded,
//! doesn't flap, and what waits is drained.

use epro_proving::scaling::Autoscaler;
use epro_proving::scaling::autoscaler::SYNC;
use epro_proving::scaling::rule::Rule;
use epro_proving::scaling::scenarios::{self, MEASURED, quiet};
use epro_proving::scaling::simulation::{Rates, World, run};
use proptest::prelude::*;

fn rule() -> Rule {
    Rule::shipped().unwrap()
}

/// What an hour of looks may find: three depths, or nobody who could be asked.
fn looks() -> impl Strategy<Value = Vec<Option<[f64; 3]>>> {
    let depth = || prop_oneof![Just(0.0), 0.0..10_000.0, 0.0..2_000_000.0];
    let look = prop_oneof![8 => [depth(), depth(), depth()].prop_map(Some), 1 => Just(None)];
    prop::collection::vec(look, 1..240)
}

/// What is decided at each look, the fleet following at once; with the time of each.
fn decided(start: u32, looks: &[Option<[f64; 3]>]) -> Vec<(f64, u32)> {
    let (mut autoscaler, mut current) = (Autoscaler::new(rule()), start);
    let decide = |(at, look): (usize, &Option<[f64; 3]>)| {
        let now = at as f64 * SYNC;
        current = autoscaler.decide(now, current, look.as_ref().map(|depths| &depths[..]));
        (now, current)
    };
    looks.iter().enumerate().map(decide).collect()
}

/// Each change, with all that was decided until then.
fn changes(numbers: &[(f64, u32)]) -> impl Iterator<Item = (&[(f64, u32)], f64, u32, u32)> {
    (1..numbers.len())
        .map(move |at| (&numbers[..at], numbers[at].0, numbers[at - 1].1, numbers[at].1))
        .filter(|(.., before, after)| before != after)
}

proptest! {
    #[test]
    fn the_number_is_bounded_whatever_is_seen(start in 2u32..=12, looks in looks()) {
        let rule = rule();
        for (_, number) in decided(start, &looks) {
            prop_assert!((rule.min..=rule.max).contains(&number), "{number}");
        }
    }

    #[test]
    fn no_step_is_larger_than_the_policies_allow(start in 2u32..=12, looks in looks()) {
        let rule = rule();
        for (before, now, last, number) in changes(&decided(start, &looks)) {
            let began = |period: f64| {
                before.iter().rfind(|(at, _)| *at <= now - period).map_or(start, |(_, number)| *number)
            };
            if number > last {
                prop_assert!(number <= began(rule.up.period) + rule.up.pods, "{number} at {now}");
            } else {
                prop_assert!(number + rule.down.pods >= began(rule.down.period), "{number} at {now}");
            }
        }
    }

    #[test]
    fn it_does_not_flap(start in 2u32..=12, looks in looks()) {
        let rule = rule();
        let numbers = decided(start, &looks);
        let all: Vec<_> = changes(&numbers).map(|(_, now, before, after)| (now, after > before)).collect();
        for pair in all.windows(2) {
            let ((first, grew), (then, grows)) = (pair[0], pair[1]);
            // After it grew it stays for as long as the window for down, and the other way round.
            let window = if grew { rule.down.window } else { rule.up.window };
            prop_assert!(grew == grows || then - first >= window, "at {first} and back at {then}");
        }
    }

    #[test]
    fn under_a_steady_depth_it_goes_one_way_and_rests(start in 2u32..=12, depth in 0.0..2_000_000.0) {
        let numbers = decided(start, &vec![Some([depth, 0.0, 0.0]); 240]);
        let ways: Vec<bool> = changes(&numbers).map(|(_, _, before, after)| after > before).collect();
        prop_assert!(ways.windows(2).all(|pair| pair[0] == pair[1]), "{numbers:?}");
        prop_assert!(numbers[120..].iter().all(|(_, number)| *number == numbers[120].1), "{numbers:?}");
    }

    #[test]
    fn more_messages_never_ask_for_fewer_workers(current in 2u32..=12, less in 0.0..1e6, more in 0.0..1e6) {
        let after_ten_minutes = |depth: f64| {
            let mut autoscaler = Autoscaler::new(rule());
            (0..40).fold(current, |now, at| autoscaler.decide(f64::from(at) * SYNC, now, Some(&[depth, 0.0, 0.0])))
        };
        prop_assert!(after_ten_minutes(less) <= after_ten_minutes(less + more));
    }

    #[test]
    fn what_waits_is_drained_and_the_fleet_is_small_again(
        lying in 0.0..2_000_000.0,
        arrivals in 0.0..400.0,
        worker in 300.0..20_000.0,
        share in 1.0..12.0,
        away in 0.0..900.0,
        start in 1.0..60.0,
    ) {
        let rule = rule();
        let rates = Rates { worker, all: worker * share, start, lag: 5 };
        // They come for an hour; the broker, and with it its management API, is away for a while in between.
        let there = move |at: f64| !(300.0..300.0 + away).contains(&at);
        let world = World {
            lying,
            arrivals: Box::new(move |at| if at < 3600.0 { arrivals } else { 0.0 }),
            broker: Box::new(there),
            management: Box::new(there),
            ..quiet()
        };
        let most = rates.all.min(worker * f64::from(rule.min));
        let work = (lying + arrivals * 3600.0) / most + away;
        let calm = rule.down.window + rule.down.period * f64::from(rule.max);
        let seconds = (3600.0 + work + calm) as usize + 600;
        let moments = run(rule.clone(), rates, &world, rule.min, seconds);
        let stored: f64 = moments.iter().map(|moment| moment.stored).sum();
        let last = moments[moments.len() - 1];
        prop_assert!(last.depth < 1.0, "{last:?}");
        prop_assert!((stored - lying - arrivals * 3600.0).abs() < 1.0, "nothing is lost: {stored}");
        prop_assert_eq!(last.replicas, rule.min);
        prop_assert!(moments.iter().all(|moment| (rule.min..=rule.max).contains(&moment.replicas)));
    }
}

#[test]
fn it_counts_as_kubernetes_does() {
    let rule = rule();
    let value = rule.triggers[0].value;
    let settles = |start: u32, depths: [f64; 3]| decided(start, &vec![Some(depths); 120]).last().unwrap().1;
    assert_eq!(settles(2, [value * 4.5, 0.0, 0.0]), 5, "a part of a worker is a worker");
    assert_eq!(settles(4, [value * 4.39, 0.0, 0.0]), 4, "within a tenth of what is there nothing changes");
    assert_eq!(settles(4, [value * 4.41, 0.0, 0.0]), 5, "and beyond it does");
    assert_eq!(settles(2, [value, 0.0, rule.triggers[2].value * 7.0]), 7, "the fullest queue decides");
    assert_eq!(settles(2, [value * 1000.0, 0.0, 0.0]), rule.max);
    assert_eq!(settles(12, [0.0; 3]), rule.min);
}

#[test]
fn a_workers_own_prefetch_does_not_keep_it_alive() {
    let rule = rule();
    // A third of the value each, as many as there are workers: all of them hold full hands of one queue.
    let mut autoscaler = Autoscaler::new(rule.clone());
    let number = (0..200).fold(rule.max, |now, at| {
        let held = f64::from(now) * rule.triggers[0].value / 3.0;
        autoscaler.decide(f64::from(at) * SYNC, now, Some(&[held, 0.0, 0.0]))
    });
    assert_eq!(number, rule.min);
}

#[test]
fn when_nobody_can_be_asked_nobody_is_taken_away_and_there_are_as_many_as_the_fallback_says() {
    let rule = rule();
    assert_eq!(decided(2, &[None; 3]).last().unwrap().1, 2, "three tries say nothing yet");
    assert_eq!(decided(2, &[None; 40]).last().unwrap().1, rule.fallback);
    assert_eq!(decided(9, &[None; 40]).last().unwrap().1, 9);
}

#[test]
fn the_four_hours_of_the_picture_are_bounded_and_end_drained() {
    let rule = rule();
    let hours = scenarios::all(&rule, MEASURED);
    assert_eq!(hours.len(), 4);
    for hour in hours {
        assert!(hour.most() <= rule.max, "{}", hour.title);
        assert!(hour.drained().is_some(), "{}", hour.title);
        let last = hour.moments[hour.moments.len() - 1];
        assert!(last.hospitals < 50.0, "{}: {} wait for a hospital", hour.title, last.hospitals);
        assert_eq!(last.replicas, rule.min, "{}", hour.title);
    }
}
