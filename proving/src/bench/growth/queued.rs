//! One worker in front of ten thousand, a hundred thousand and a million, beside one bare loop in front of as many.
//! Both take the very same messages, over the same stretches ([`crate::bench::stretch`]).

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{ROUNDS, Series};
use crate::bench::bare_loop;
use crate::bench::calm::calm;
use crate::bench::depth;
use crate::bench::ground::{Cargo, Ground};
use crate::bench::publisher;
use crate::bench::stretch::{Pace, SHALLOWEST, STORED, Stretches};

const QUEUED: [usize; 3] = [SHALLOWEST, 100_000, 1_000_000];

/// One depth, and what was found there, round by round.
struct Depth {
    queued: usize,
    ours: Vec<f64>,
    rss: Vec<f64>,
    bare: Vec<f64>,
}

pub(super) async fn measure(ground: &Ground, cargo: &Cargo) -> Result<Vec<Series>> {
    let mut depths = QUEUED.map(|queued| Depth { queued, ours: vec![], rss: vec![], bare: vec![] });
    for round in 0..ROUNDS {
        for depth in &mut depths {
            eprintln!("growth: round {} of {ROUNDS}, {} queued", round + 1, depth.queued);
            for ours in [round.is_multiple_of(2), !round.is_multiple_of(2)] {
                match ours {
                    true => depth.by_worker(ground, cargo).await?,
                    false => depth.by_loop(ground, cargo).await?,
                }
            }
        }
    }
    let mut pace = Series::new("queue: drain of a worker, beside the bare loop", "/s", "queued");
    let mut rss = Series::new("  its peak RSS, after as many submissions", "MiB", "queued");
    for depth in depths {
        pace.point(depth.queued as f64, depth.ours, depth.bare)?;
        rss.point(depth.queued as f64, depth.rss, Vec::new())?;
    }
    Ok(vec![pace, rss])
}

impl Depth {
    async fn by_worker(&mut self, ground: &Ground, cargo: &Cargo) -> Result<()> {
        let (stretches, mut pace) = (Stretches::at(self.queued), Pace::default());
        let mut worker = ground.warm_worker(cargo).await?;
        for number in 0..stretches.count() {
            if number > 0 {
                ground.pause(std::slice::from_ref(&worker)).await?;
            }
            fill(ground, cargo, stretches, number).await?;
            ground.resume().await?;
            ground.reaches((number + 1) * stretches.whole()).await?;
            pace = pace.and(stretches.rated(ground, number).await?);
        }
        ground.reaches(STORED).await?;
        self.ours.push(pace.a_second());
        self.rss.push(worker.peak_rss_mib()?);
        worker.drain(Duration::from_secs(30)).await?;
        ground.empty(cargo.site).await
    }

    async fn by_loop(&mut self, ground: &Ground, cargo: &Cargo) -> Result<()> {
        let (stretches, mut pace) = (Stretches::at(self.queued), Pace::default());
        for number in 0..stretches.count() {
            fill(ground, cargo, stretches, number).await?;
            bare_loop::run(&ground.shape(cargo), &cargo.rows, stretches.whole()).await?;
            ground.reaches((number + 1) * stretches.whole()).await?;
            pace = pace.and(stretches.rated(ground, number).await?);
        }
        self.bare.push(pace.a_second());
        ground.empty(cargo.site).await
    }
}

/// Puts there what the stretch with that number takes, and what lies behind it, and waits until the machine rests. The
/// bare loop knows the rows of the cargo and no others, and is handed out more than it takes: in front of a deep queue
/// lies all of the cargo, behind it what only a worker comes to.
async fn fill(ground: &Ground, cargo: &Cargo, stretches: Stretches, number: usize) -> Result<()> {
    let (from, whole) = (number * stretches.whole(), stretches.whole());
    let known = match stretches.behind() {
        0 => {
            let some =
                cargo.messages.get(from..from + whole).context("too few submissions for all stretches")?;
            Arc::new(some.to_vec())
        }
        _ => Arc::clone(&cargo.messages),
    };
    publisher::closed(&ground.amqp(), &known, 1000).await?;
    let template = cargo.messages.first().context("no messages")?;
    let behind = (stretches.behind() + whole).saturating_sub(known.len());
    depth::fill(ground, template, behind).await?;
    calm().await
}
