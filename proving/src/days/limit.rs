//! Replicas come, go, are killed and stand still: by the hospital's own log its pace holds over all of them.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use tokio::time::sleep;

use super::callers::Callers;
use super::finding::{Bound, Finding};
use crate::SampleHospital;
use crate::foreign::diary::Diary;
use crate::stack::{Plan, Stack};

const SITE: &str = "H001";
const PACE: f64 = 5.0;
/// More than the day can bring: there is backlog to its end.
const BACKLOG: usize = 1200;
/// How long the owner stands still.
const STILL: Duration = Duration::from_secs(30);
/// How long each state of things is looked at.
const WHILE: Duration = Duration::from_secs(15);

/// A moment at which the owner was lost, and the one at which another made its first call.
struct Gap {
    from: f64,
    to: f64,
}

struct Day {
    hospital: SampleHospital,
    callers: Callers,
    gaps: Vec<Gap>,
}

/// Lives through it; takes about three minutes.
pub async fn live() -> Result<Vec<Finding>> {
    let hospital = SampleHospital::start().await?;
    let mut entry = hospital.by_fhir();
    entry["calls_per_second"] = json!(PACE);
    let stack = Stack::with(Plan { config: json!({"hospitals": {SITE: entry}}), ..Plan::default() }).await?;
    let _storing = stack.worker().await?;
    let mut day = Day { hospital, callers: Callers::on(stack).await?, gaps: Vec::new() };
    day.callers.send(SITE, BACKLOG).await?;
    day.callers.stored(SITE, BACKLOG).await?;
    day.callers.add().await?;
    sleep(WHILE).await;
    while day.callers.running.len() < 6 {
        day.callers.add().await?;
    }
    sleep(WHILE).await;
    for _ in 0..2 {
        day.callers.take_owner(SITE).await?.kill().await?;
        day.lost().await?;
        sleep(WHILE).await;
    }
    day.stand_still().await?;
    while day.callers.running.len() > 2 {
        day.callers.running.pop().context("a replica")?.drain(Duration::from_secs(30)).await?;
    }
    sleep(WHILE).await;
    day.findings().await
}

impl Day {
    /// The owner was lost just now: waits for the first call of another.
    async fn lost(&mut self) -> Result<()> {
        let diary = Diary::of(&self.hospital.calls());
        let from = diary.last().context("nobody called")?;
        // A call that was on its way when the owner was lost is still its own.
        let to = crate::until("another replica to call", Duration::from_secs(60), || async {
            let diary = Diary::of(&self.hospital.calls());
            Ok(diary.first_after(from + 1.0 / PACE + 0.1))
        })
        .await?;
        self.gaps.push(Gap { from, to });
        Ok(())
    }

    async fn stand_still(&mut self) -> Result<()> {
        let still = self.callers.take_owner(SITE).await?;
        still.stop().await?;
        self.lost().await?;
        sleep(STILL).await;
        still.resume().await?;
        self.callers.running.push(still);
        sleep(WHILE).await;
        Ok(())
    }

    async fn findings(&self) -> Result<Vec<Finding>> {
        let diary = Diary::of(&self.hospital.calls());
        let (first, last) = (diary.first().context("no call")?, diary.last().context("no call")?);
        let without: f64 = self.gaps.iter().map(|gap| gap.to - gap.from).sum();
        let longest = self.gaps.iter().map(|gap| gap.to - gap.from).fold(0.0, f64::max);
        let mean = diary.len() as f64 / (last - first - without);
        Ok(vec![
            Finding::new(
                "limit 5/s: calls in the busiest second",
                diary.busiest(1.0) as f64,
                Bound::AtMost(6.0),
            ),
            Finding::new("limit 5/s: calls a second while there is an owner", mean, Bound::AtLeast(4.5)),
            Finding::new("limit 5/s: longest takeover, s", longest, Bound::AtMost(10.0)),
            Finding::new("limit 5/s: takeovers", self.gaps.len() as f64, Bound::Is(3.0)),
            Finding::new("limit 5/s: dead letters", self.callers.dead().await?, Bound::Is(0.0)),
            Finding::new("limit 5/s: attempts charged", self.callers.charged(SITE).await?, Bound::Is(0.0)),
        ])
    }
}
