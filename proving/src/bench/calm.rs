//! Nothing left over from before: each contender begins on a machine that rests.
//!
//! After a fill the broker goes on writing what it took, for seconds and with most of a core; after a
//! drain PostgreSQL cleans up. Whoever is measured meanwhile pays for it.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::{Instant, sleep};

/// How long one look at the machine takes.
const LOOK: Duration = Duration::from_millis(500);
/// Looks in a row that find it at rest.
const LOOKS: usize = 3;
/// A machine that is shared may never rest.
const BOUND: Duration = Duration::from_secs(30);
/// The part of the machine's time that may be in use.
const REST: f64 = 0.1;

/// Waits until the machine rests, or so long that it won't.
pub(super) async fn calm() -> Result<()> {
    let end = Instant::now() + BOUND;
    let (mut before, mut rested) = (times()?, 0);
    while rested < LOOKS && Instant::now() < end {
        sleep(LOOK).await;
        let now = times()?;
        rested = if used(before, now) < REST { rested + 1 } else { 0 };
        before = now;
    }
    Ok(())
}

/// Ticks of all cores since the machine started: unused, and all.
#[derive(Clone, Copy)]
struct Times {
    unused: u64,
    all: u64,
}

fn times() -> Result<Times> {
    let stat = std::fs::read_to_string("/proc/stat").context("/proc/stat")?;
    let line = stat.lines().next().context("/proc/stat is empty")?;
    let ticks = line.split_whitespace().skip(1).map(str::parse).collect::<Result<Vec<u64>, _>>()?;
    // user, nice, system, idle, iowait, irq, softirq, steal: proc(5).
    let unused = ticks.iter().skip(3).take(2).sum();
    Ok(Times { unused, all: ticks.iter().take(8).sum() })
}

fn used(before: Times, now: Times) -> f64 {
    let all = now.all.saturating_sub(before.all).max(1);
    1.0 - now.unused.saturating_sub(before.unused) as f64 / all as f64
}
