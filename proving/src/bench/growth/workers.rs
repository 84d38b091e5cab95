//! One, two and four workers, beside as many bare loops.

use anyhow::Result;

use super::drain::Drains;
use super::{ROUNDS, Series};
use crate::bench::ground::{Cargo, Ground};

const WORKERS: [usize; 3] = [1, 2, 4];

pub(super) async fn measure(ground: &Ground, cargo: &Cargo) -> Result<Vec<Series>> {
    let mut drains = WORKERS.map(|workers| (workers, Drains::default()));
    for round in 0..ROUNDS {
        for (workers, found) in &mut drains {
            eprintln!("growth: round {} of {ROUNDS}, {workers} worker(s)", round + 1);
            found.round(ground, cargo, *workers, round).await?;
        }
    }
    let mut pace = Series::new("workers: drain, beside as many bare loops", "/s", "workers");
    let mut cpu = Series::new("  CPU seconds per 10,000, all of them", "s", "workers");
    let mut rss = Series::new("  peak RSS of the largest", "MiB", "workers");
    for (workers, found) in &drains {
        let at = *workers as f64;
        pace.point(at, found.ours(|drain| drain.pace), found.bare())?;
        cpu.point(at, found.ours(|drain| drain.cpu), Vec::new())?;
        rss.point(at, found.ours(|drain| drain.rss), Vec::new())?;
    }
    Ok(vec![pace, cpu, rss])
}
