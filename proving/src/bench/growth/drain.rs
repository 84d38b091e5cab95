//! A full queue that warm workers empty, or as many bare loops.

use anyhow::{Result, ensure};

use crate::Service;
use crate::bench::bare_loop;
use crate::bench::ground::{Cargo, Ground};
use crate::bench::messages::ROUTINE;
use crate::scaling::fleet::Fleet;

/// Workers see within a second or two that their lane may go on, and not at the same moment: the first part of a drain
/// is not all of them at work.
const SKIPPED: f64 = 0.4;

/// What some workers did.
pub(super) struct Drain {
    /// Submissions a second.
    pub(super) pace: f64,
    /// CPU seconds of all of them, per 10,000.
    pub(super) cpu: f64,
    /// Peak resident memory of the largest, MiB.
    pub(super) rss: f64,
}

/// Round by round, ours and the limit.
#[derive(Default)]
pub(super) struct Drains {
    ours: Vec<Drain>,
    bare: Vec<f64>,
}

impl Drains {
    /// One more of each; ours goes first in even rounds, the limit in odd ones.
    pub(super) async fn round(
        &mut self,
        ground: &Ground,
        cargo: &Cargo,
        processes: usize,
        number: usize,
    ) -> Result<()> {
        for ours in [number.is_multiple_of(2), !number.is_multiple_of(2)] {
            match ours {
                true => self.ours.push(by_workers(ground, cargo, processes).await?),
                false => self.bare.push(by_loops(ground, cargo, processes).await?),
            }
        }
        Ok(())
    }

    /// A figure of ours, round by round.
    pub(super) fn ours(&self, figure: fn(&Drain) -> f64) -> Vec<f64> {
        self.ours.iter().map(figure).collect()
    }

    /// The limit's submissions a second, round by round.
    pub(super) fn bare(&self) -> Vec<f64> {
        self.bare.clone()
    }
}

async fn by_workers(ground: &Ground, cargo: &Cargo, workers: usize) -> Result<Drain> {
    let count = cargo.messages.len();
    let mut fleet = Fleet::of(&ground.stack)?;
    fleet.become_(workers).await?;
    ground.warm(cargo, &fleet.workers).await?;
    ground.fill(&cargo.messages).await?;
    let before = all(&fleet.workers, Service::cpu_seconds)?.iter().sum::<f64>();
    ground.resume().await?;
    ground.stored(count).await?;
    let spent = all(&fleet.workers, Service::cpu_seconds)?.iter().sum::<f64>() - before;
    let rss = all(&fleet.workers, Service::peak_rss_mib)?.into_iter().fold(0.0, f64::max);
    fleet.become_(0).await?;
    let left = ground.stack.vhost().ready(ROUTINE).await?;
    ensure!(left == 0, "{left} deliveries came back when the workers left");
    let pace = pace(ground, count).await?;
    ground.empty(cargo.site).await?;
    Ok(Drain { pace, cpu: spent * 10_000.0 / count as f64, rss })
}

async fn by_loops(ground: &Ground, cargo: &Cargo, loops: usize) -> Result<f64> {
    let count = cargo.messages.len();
    ground.fill(&cargo.messages).await?;
    bare_loop::together(&ground.shape(cargo), &cargo.rows, count, loops).await?;
    ground.stored(count).await?;
    let pace = pace(ground, count).await?;
    ground.empty(cargo.site).await?;
    Ok(pace)
}

fn all(workers: &[Service], look: fn(&Service) -> Result<f64>) -> Result<Vec<f64>> {
    workers.iter().map(look).collect()
}

/// Submissions a second without the first part, by the database's clock.
async fn pace(ground: &Ground, count: usize) -> Result<f64> {
    let skipped = (count as f64 * SKIPPED) as usize;
    let sql = format!(
        "WITH later AS (SELECT stored_at FROM identified.submission ORDER BY stored_at OFFSET {skipped})
         SELECT extract(epoch FROM max(stored_at) - min(stored_at))::float8,
                (SELECT count(*) FROM later WHERE stored_at > (SELECT min(stored_at) FROM later))
         FROM later"
    );
    let row = ground.link.client.query_one(&sql, &[]).await?;
    let (seconds, after_first): (f64, i64) = (row.get(0), row.get(1));
    ensure!(seconds > 0.0, "{count} submissions are too few for a pace");
    Ok(after_first as f64 / seconds)
}
