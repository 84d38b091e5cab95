//! The shipped rule on real processes: 100,000 submissions wait, their depth is read as KEDA reads it, and workers are
//! started and asked to leave as the arithmetic says, while submissions go on coming. The clock of the rule runs five
//! times as fast, and workers are made slow (small chunks), so that there is something to scale on two cores.
#![allow(clippy::print_stderr, reason = "for people who wait")]

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;

use super::apps::Apps;
use super::autoscaler::{Autoscaler, SYNC};
use super::fleet::{Fleet, counted, depths};
use super::rule::Rule;
use super::simulation::{self, Rates, World};
use crate::conservation;
use crate::database::Link;
use crate::days::finding::{Bound, Finding};
use crate::stack::{Plan, Stack};
use crate::until;

/// Seconds here for each of the rule's.
const HURRY: f64 = 0.2;
/// Submissions of one chunk, and what a worker holds.
const CHUNK: u32 = 4;
const PREFETCH: u32 = 16;
/// Two cores bear no more processes than this.
const MOST: u32 = 6;
/// Workers at first and in the end.
const FEW: usize = 2;
/// Submissions a second that go on coming while workers come and go: whoever is asked to leave is at work.
const TRICKLE: f64 = 200.0;

/// Lives through a burst of so many.
pub async fn live(count: usize) -> Result<Vec<Finding>> {
    let config = json!({
        "worker": {"lanes": ["submissions"], "chunk": CHUNK, "prefetch": PREFETCH, "urgent_prefetch": 2 * CHUNK},
    });
    let stack = Stack::with(Plan { config, ..Plan::default() }).await?;
    let link = stack.database().connect().await?;
    let api = stack.api().await?;
    let apps = Apps::new(stack.minter(), api.listen())?;

    let mut fleet = Fleet::of(&stack)?;
    let mut sent = 0;
    let mut pace = Vec::new();
    for workers in [1, MOST as usize] {
        let some = count / 10;
        eprintln!("measuring {workers} worker(s) with {some} submissions");
        apps.send(some, 64, None).await?;
        sent += some;
        fleet.become_(workers).await?;
        stored(&link, sent).await?;
        pace.push(pace_of_last(&link, some).await?);
        fleet.become_(0).await?;
    }
    eprintln!("one stores {:.0}/s, {MOST} store {:.0}/s; sending {count}", pace[0], pace[1]);
    // Those that measured have left as well: what they gave back isn't the scaling's.
    let (before, given_back) = (counted(&stack).await?, fleet.given_back);
    apps.send(count, 64, None).await?;
    sent += count;
    until("the depth to be seen", Duration::from_secs(60), || async {
        Ok((depths(&stack).await?[0] >= count as f64).then_some(()))
    })
    .await?;

    // So many messages are one worker's that the whole burst asks for more than there can be.
    let value = count as f64 / f64::from(4 * MOST);
    let shipped = Rule::shipped()?;
    let rule = Rule { max: MOST, fallback: shipped.fallback.min(MOST), ..shipped.valued(value) };
    fleet.become_(FEW).await?;
    fleet.left.clear();
    let trickle = apps.again();
    let sending = trickle.keep_sending(16, TRICKLE);
    let (drained, most, starts) = scale(&stack, &link, &mut fleet, rule.clone(), sent).await?;
    trickle.end(sending).await?;
    let after = counted(&stack).await?;
    let (leavers, slowest, given_back) = (fleet.left.len(), fleet.slowest(), fleet.given_back - given_back);
    fleet.become_(0).await?;

    let foretold = foretell(&rule, count as f64, &pace);
    let account = conservation(&stack, &apps.log()).await?;
    let accepted = account.accepted as f64;
    let fewest = Bound::AtLeast(f64::from(MOST) - FEW as f64);
    Ok(vec![
        Finding::new("submissions that were answered 202", accepted, Bound::AtLeast(sent as f64)),
        Finding::new("of them lost", accepted - account.stored as f64, Bound::Is(0.0)),
        Finding::new("set aside", account.dead as f64, Bound::Is(0.0)),
        Finding::new("acks that the broker counted", after.acks as f64, Bound::AtLeast(accepted)),
        // Whatever is charged an attempt has come again before.
        Finding::new(
            "deliveries that came again while it scaled",
            (after.again - before.again) as f64,
            Bound::Is(0.0),
        ),
        Finding::new("deliveries that leaving workers gave back", given_back as f64, Bound::Is(0.0)),
        Finding::new("workers at most", f64::from(most), Bound::AtLeast(f64::from(MOST))),
        Finding::new("workers started by depth", starts as f64, fewest),
        Finding::new("workers asked to leave by depth, submissions coming", leavers as f64, fewest),
        Finding::new("the slowest of them left within, s", slowest, Bound::AtMost(30.0)),
        Finding::new(format!("one worker stores, {CHUNK} in a chunk, /s"), pace[0], Bound::Any),
        Finding::new(format!("{MOST} workers store, /s"), pace[1], Bound::Any),
        Finding::new("drained within, s", drained, Bound::Any),
        Finding::new("the simulation said, s", foretold, Bound::Any),
        Finding::new("measured over simulated", drained / foretold, Bound::AtMost(2.0)),
    ])
}

/// Decides every so often until the fleet is small again; when the burst was stored (a queue is first in, first out),
/// how many there were at most, and how many were started.
async fn scale(
    stack: &Stack,
    link: &Link,
    fleet: &mut Fleet<'_>,
    rule: Rule,
    sent: usize,
) -> Result<(f64, u32, usize)> {
    let mut autoscaler = Autoscaler::new(rule);
    let (began, mut drained, mut most, mut starts) = (Instant::now(), None, 0, 0);
    loop {
        let turn = Instant::now();
        let current = u32::try_from(fleet.workers.len())?;
        let now = began.elapsed().as_secs_f64() / HURRY;
        let seen = depths(stack).await.ok();
        let next = autoscaler.decide(now, current, seen.as_deref());
        if next != current {
            eprintln!("{:>5.1} s: depth {:?}, {current} -> {next} workers", now * HURRY, seen);
        }
        starts += next.saturating_sub(current) as usize;
        most = most.max(next);
        fleet.become_(next as usize).await?;
        if drained.is_none() && link.count("SELECT count(*) FROM identified.submission").await? >= sent as i64
        {
            drained = Some(began.elapsed().as_secs_f64());
        }
        if let Some(drained) = drained
            && next as usize == FEW
        {
            return Ok((drained, most, starts));
        }
        anyhow::ensure!(began.elapsed() < Duration::from_secs(600), "not drained within ten minutes");
        let rest = Duration::from_secs_f64(SYNC * HURRY).saturating_sub(turn.elapsed());
        tokio::time::sleep(rest).await;
    }
}

/// The same burst under the same rule in the simulation, whose seconds are [`HURRY`] of ours.
fn foretell(rule: &Rule, lying: f64, pace: &[f64]) -> f64 {
    let rates = Rates {
        worker: pace[0] * HURRY,
        all: pace[1] * HURRY,
        start: 1.0 / HURRY,
        lag: (5.0 / HURRY) as usize,
    };
    let world = World { lying, arrivals: Box::new(|_| TRICKLE * HURRY), ..super::scenarios::quiet() };
    let moments = simulation::run(rule.clone(), rates, &world, FEW as u32, 36_000);
    let last = moments.iter().rposition(|moment| moment.depth > 1.0).unwrap_or(0);
    last as f64 * HURRY
}

/// Submissions a second between the first and the last commit of the last `count`, by the database's clock: the start
/// of processes isn't in it.
async fn pace_of_last(link: &Link, count: usize) -> Result<f64> {
    let sql = format!(
        "SELECT count(*) / extract(epoch FROM max(stored_at) - min(stored_at))::float8
         FROM (SELECT stored_at FROM identified.submission ORDER BY stored_at DESC LIMIT {count}) AS last"
    );
    Ok(link.client.query_one(&sql, &[]).await?.get(0))
}

async fn stored(link: &Link, count: usize) -> Result<()> {
    until("all to be stored", Duration::from_secs(300), || async {
        let now = link.count("SELECT count(*) FROM identified.submission").await?;
        Ok((now == count as i64).then_some(()))
    })
    .await
    .context("measuring")
}
