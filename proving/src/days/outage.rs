//! A hospital is down for two hours. Its backlog rests in the broker, nothing is charged for it, and the
//! hospital beside it gets all that it allows.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::callers::Callers;
use super::finding::{Bound, Finding};
use super::{HURRY, TWO_HOURS};
use crate::SampleHospital;
use crate::foreign::Manner;
use crate::foreign::diary::Diary;
use crate::own::{Kind, Own};
use crate::stack::{Plan, Stack};

const SICK: &str = "H001";
const WELL: &str = "H002";
const PACE: f64 = 20.0;
/// What the sick one has to get.
const BACKLOG: usize = 600;
/// More than the healthy one can take meanwhile.
const PLENTY: usize = 3600;
/// A probe a minute: a second here, which the pace of calls doesn't hide.
const SLEEP: f64 = 60.0;
/// The broker closes a channel that leaves a delivery unacked for half an hour. Here it is half a minute, and
/// it looks every few seconds.
const IMPATIENT: &str = "application:set_env(rabbit, consumer_timeout, 30000), \
                         application:set_env(rabbit, channel_tick_interval, 5000).";

struct Day {
    sick: SampleHospital,
    well: SampleHospital,
    callers: Callers,
}

/// When the sick one went and came again, by its own clock, and what had been charged by then.
struct Down {
    from: f64,
    to: f64,
    charged: f64,
    dead: f64,
}

/// Lives through it; takes about four minutes.
pub async fn live() -> Result<Vec<Finding>> {
    let broker = Own::start(Kind::Broker).await?;
    broker.rabbitmqctl(&["eval", IMPATIENT]).await?;
    let (sick, well) = (SampleHospital::start().await?, SampleHospital::start().await?);
    let config = json!({
        "time_scale": HURRY,
        "hospitals": {SICK: entry(&sick), WELL: entry(&well)},
    });
    let stack = Stack::on(broker.services()?, Plan { config, ..Plan::default() }).await?;
    let _storing = stack.worker().await?;
    let mut day = Day { sick, well, callers: Callers::on(stack).await? };
    day.callers.send(SICK, BACKLOG).await?;
    day.callers.send(WELL, PLENTY).await?;
    day.callers.stored(SICK, BACKLOG).await?;
    day.callers.stored(WELL, PLENTY).await?;
    for _ in 0..2 {
        day.callers.add().await?;
    }
    let down = day.go_down().await?;
    // What had been parked comes back by and by.
    day.callers.done(SICK, BACKLOG, Duration::from_secs(180)).await?;
    day.findings(&down).await
}

fn entry(hospital: &SampleHospital) -> Value {
    let mut entry = hospital.by_fhir();
    entry["calls_per_second"] = json!(PACE);
    entry["breaker"] = json!({"sleep": format!("{SLEEP}s")});
    entry
}

impl Day {
    async fn go_down(&self) -> Result<Down> {
        for hospital in [&self.sick, &self.well] {
            crate::until("both hospitals to be called", Duration::from_secs(60), || async {
                Ok((hospital.calls().len() > 20).then_some(()))
            })
            .await?;
        }
        self.sick.manner(Manner { status: Some(503), ..Manner::default() });
        let from = self.now()?;
        sleep(TWO_HOURS).await;
        let (charged, dead) = (self.callers.charged(SICK).await?, self.callers.dead().await?);
        let to = self.now()?;
        self.sick.manner(Manner::default());
        Ok(Down { from, to, charged, dead })
    }

    /// Seconds since the hospitals were started, which is at the same time: the time of the newest call, since
    /// the healthy one is called all the time.
    fn now(&self) -> Result<f64> {
        Diary::of(&self.well.calls()).last().context("nobody called")
    }

    async fn findings(&self, down: &Down) -> Result<Vec<Finding>> {
        let (sick, well) = (Diary::of(&self.sick.calls()), Diary::of(&self.well.calls()));
        // The calls on which the breaker opened are over after a moment.
        let probes = sick.between(down.from + 3.0, down.to);
        let (least, interval) = (0.95 * PACE * 10.0, SLEEP * HURRY);
        let after = sick.between(down.to, f64::INFINITY);
        let closed: usize = self.callers.running.iter().map(|one| ended(&one.output())).sum();
        let quietest = well.quietest(10.0, down.from, down.to) as f64;
        let gap = probes.shortest_gap().unwrap_or(f64::INFINITY);
        Ok(vec![
            Finding::new("outage: dead letters", down.dead + self.callers.dead().await?, Bound::Is(0.0)),
            Finding::new("outage: attempts charged", down.charged, Bound::Is(0.0)),
            Finding::new("outage: probes", probes.len() as f64, Bound::AtLeast(2.0)),
            Finding::new(
                "outage: probe intervals from one probe to the next, least",
                gap / interval,
                Bound::AtLeast(0.95),
            ),
            Finding::new(
                "outage: healthy hospital, calls in its quietest 10 s",
                quietest,
                Bound::AtLeast(least),
            ),
            Finding::new("outage: channels that the broker closed", closed as f64, Bound::Is(0.0)),
            Finding::new(
                "outage: afterwards, calls in the busiest second",
                after.busiest(1.0) as f64,
                Bound::AtMost(PACE + 1.0),
            ),
            Finding::new(
                "outage: afterwards, calls a second for the first 90 %",
                pace(&after)?,
                Bound::AtLeast(0.9 * PACE),
            ),
            Finding::new(
                "outage: submissions that the hospital has once",
                self.once(),
                Bound::Is(BACKLOG as f64),
            ),
        ])
    }

    /// How many questionnaires the sick one has in one version, under one identifier.
    fn once(&self) -> f64 {
        let mut versions: BTreeMap<String, usize> = BTreeMap::new();
        for stored in self.sick.stored().iter().filter(|stored| stored.kind == "QuestionnaireResponse") {
            *versions.entry(stored.identifier.clone()).or_default() += stored.versions.len();
        }
        versions.values().filter(|versions| **versions == 1).count() as f64
    }
}

fn ended(output: &str) -> usize {
    output.lines().filter(|line| line.contains("the broker ended the consumer")).count()
}

/// Calls a second until nine tenths of them had come: the last ones wait their time out in the broker.
fn pace(after: &Diary) -> Result<f64> {
    let first = after.first().context("it was never called again")?;
    let most = after.len() * 9 / 10;
    let at = after.nth(most).context("too few calls")?;
    Ok(most as f64 / (at - first))
}
