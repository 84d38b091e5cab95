//! A queue, a fleet and the autoscaler in a closed loop, one second at a time.

use std::collections::VecDeque;

use super::autoscaler::{Autoscaler, SYNC};
use super::rule::Rule;

/// What a worker does, and what all of them together can.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// Submissions a second that one worker stores while nothing else is short.
    pub worker: f64,
    /// And that broker and database bear from all of them.
    pub all: f64,
    /// Seconds until a worker that is asked for takes its first submission.
    pub start: f64,
    /// How old RabbitMQ's own figures are when they are asked for, in seconds.
    pub lag: usize,
}

/// What comes from outside, by the second.
pub struct World<'a> {
    /// Submissions that are accepted a second.
    pub arrivals: Box<dyn Fn(f64) -> f64 + 'a>,
    /// What lies in the queue when it begins.
    pub lying: f64,
    /// Whether the broker hands out and takes acks.
    pub broker: Box<dyn Fn(f64) -> bool + 'a>,
    /// Whether its management API answers.
    pub management: Box<dyn Fn(f64) -> bool + 'a>,
    /// Deliveries a second that the hospitals take.
    pub hospitals: Box<dyn Fn(f64) -> f64 + 'a>,
}

/// One second.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Seconds since it began.
    pub at: f64,
    /// Submissions that are accepted and not stored.
    pub depth: f64,
    /// Deliveries that wait for their hospitals.
    pub hospitals: f64,
    /// Workers that were asked for.
    pub replicas: u32,
    /// Workers that are at work.
    pub working: u32,
    /// Submissions that were stored within it.
    pub stored: f64,
}

/// Runs it for so many seconds, with `replicas` workers at work at first.
pub fn run(rule: Rule, rates: Rates, world: &World<'_>, replicas: u32, seconds: usize) -> Vec<Moment> {
    let mut autoscaler = Autoscaler::new(rule);
    let mut fleet = Fleet { starting: VecDeque::new(), working: replicas };
    let (mut depth, mut hospitals) = (world.lying, 0.0);
    let mut seen: VecDeque<f64> = std::iter::repeat_n(depth, rates.lag.max(1)).collect();
    let mut moments = Vec::with_capacity(seconds);
    for second in 0..seconds {
        let now = second as f64;
        fleet.started(now);
        if now % SYNC == 0.0 {
            // Only the first queue is filled here; the others are empty.
            let depths = [seen.front().copied().unwrap_or(depth), 0.0, 0.0];
            let looked = (world.management)(now).then_some(&depths[..]);
            fleet.become_(autoscaler.decide(now, fleet.asked(), looked), now + rates.start);
        }
        let can =
            if (world.broker)(now) { (rates.worker * f64::from(fleet.working)).min(rates.all) } else { 0.0 };
        depth += (world.arrivals)(now);
        let stored = depth.min(can);
        depth -= stored;
        hospitals = (hospitals + stored - (world.hospitals)(now)).max(0.0);
        seen.pop_front();
        seen.push_back(depth);
        let (replicas, working) = (fleet.asked(), fleet.working);
        moments.push(Moment { at: now, depth, hospitals, replicas, working, stored });
    }
    moments
}

/// Workers at work, and when those that were asked for will be.
struct Fleet {
    starting: VecDeque<f64>,
    working: u32,
}

impl Fleet {
    fn asked(&self) -> u32 {
        self.working + u32::try_from(self.starting.len()).unwrap_or(u32::MAX)
    }

    fn started(&mut self, now: f64) {
        while self.starting.front().is_some_and(|at| *at <= now) {
            self.starting.pop_front();
            self.working += 1;
        }
    }

    /// A worker that was only asked for is the first that isn't wanted any more.
    fn become_(&mut self, wanted: u32, ready: f64) {
        while self.asked() < wanted {
            self.starting.push_back(ready);
        }
        while self.asked() > wanted {
            if self.starting.pop_back().is_none() {
                self.working -= 1;
            }
        }
    }
}
