//! Four bad hours.

use super::rule::Rule;
use super::simulation::{Moment, Rates, World, run};

/// What `./dev bench` printed as `worker: drain` (docs/PROOF.md) where broker, database and worker share two
/// cores: there one worker keeps all of them busy, so a second brings nothing. `start` is what a cluster needs to
/// schedule a pod, a guess on the long side: the process itself is at work within a second.
pub const MEASURED: Rates = Rates { worker: 25_100.0, all: 25_100.0, start: 10.0, lag: 5 };
/// When the hospital that was down is back.
const BACK: f64 = 2400.0;

/// One of them, with what became of it.
#[derive(Clone, Debug)]
pub struct Hour {
    /// What it is called.
    pub title: &'static str,
    /// Whether the wait at the hospitals belongs into its picture.
    pub hospitals: bool,
    /// Second by second.
    pub moments: Vec<Moment>,
}

impl Hour {
    /// The most workers that were asked for.
    pub fn most(&self) -> u32 {
        self.moments.iter().map(|moment| moment.replicas).max().unwrap_or(0)
    }

    /// How it ends, in words.
    pub fn end(&self) -> String {
        if self.hospitals {
            let last = self.moments.iter().rfind(|moment| moment.hospitals > 1.0);
            let after = last.map_or(0.0, |last| last.at - BACK);
            return format!("within {:.0} minutes of its return", (after / 60.0).ceil());
        }
        match self.drained() {
            Some(0.0) => "nothing ever waits".to_owned(),
            Some(at) => format!("after {at:.0} s"),
            None => "not drained".to_owned(),
        }
    }

    /// When the queue was empty for good.
    pub fn drained(&self) -> Option<f64> {
        let last = self.moments.iter().rposition(|moment| moment.depth > 1.0);
        self.moments.get(last.map_or(0, |last| last + 1)).map(|moment| moment.at)
    }
}

/// All four, under the rule.
pub fn all(rule: &Rule, rates: Rates) -> Vec<Hour> {
    let hour = |title, hospitals, world: World<'_>, seconds| Hour {
        title,
        hospitals,
        moments: run(rule.clone(), rates, &world, rule.min, seconds),
    };
    vec![
        hour(
            "an evening of 20,000 patients, most of them within a quarter of an hour",
            false,
            evening(),
            3600,
        ),
        hour("a burst of 1,000,000, lying there when the database is back", false, burst(), 1800),
        hour(
            "a hospital of 10 calls a second is down for half an hour; 4 submissions a second",
            true,
            outage(),
            5400,
        ),
        hour(
            "the broker is sick, half a minute into such a burst: nothing for 5 minutes, no management API for 10",
            false,
            sick(),
            2400,
        ),
    ]
}

/// Nothing comes, and everything answers.
pub fn quiet<'a>() -> World<'a> {
    World {
        arrivals: Box::new(|_| 0.0),
        lying: 0.0,
        broker: Box::new(|_| true),
        management: Box::new(|_| true),
        hospitals: Box::new(|_| f64::MAX),
    }
}

/// Patients of an evening who press send, a second: a bell around 20:15, its width four minutes.
pub fn bell(at: f64) -> f64 {
    let away = (at - 900.0) / 240.0;
    20_000.0 / (240.0 * std::f64::consts::TAU.sqrt()) * (-away * away / 2.0).exp()
}

fn evening<'a>() -> World<'a> {
    World { arrivals: Box::new(bell), ..quiet() }
}

fn burst<'a>() -> World<'a> {
    World { lying: 1_000_000.0, ..quiet() }
}

fn outage<'a>() -> World<'a> {
    let hospitals = |at: f64| if (600.0..BACK).contains(&at) { 0.0 } else { 10.0 };
    World { arrivals: Box::new(|_| 4.0), hospitals: Box::new(hospitals), ..quiet() }
}

fn sick<'a>() -> World<'a> {
    World {
        lying: 1_000_000.0,
        broker: Box::new(|at| !(30.0..330.0).contains(&at)),
        management: Box::new(|at| !(30.0..630.0).contains(&at)),
        ..quiet()
    }
}
