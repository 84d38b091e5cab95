//! One run, from its seed to its verdict.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::{Instant, sleep};

use super::field::{Crew, Ground, World};
use super::judge::{self, Account};
use super::patients::Patients;
use super::plan::{Plan, Planned};
use super::strike;

/// How long everything is used before the first fault, in looks at what is in use then.
const WARM: Duration = Duration::from_secs(1);
const LOOKS: usize = 8;
/// A door looks at the queues now and then, on a channel that comes and goes.
const PASSING: i64 = 2;
/// PostgreSQL and RabbitMQ count what has just ended for a while.
const SETTLED: Duration = Duration::from_secs(60);

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// What it can be run again with.
    pub seed: u64,
    /// Faults by kind.
    pub faults: BTreeMap<&'static str, usize>,
    /// From the first fault to the last.
    pub took: Duration,
    /// What was counted; an error says what is wrong.
    pub outcome: Result<Account, String>,
    /// Highest memory of a door and of a worker at the end, MiB.
    pub memory: (f64, f64),
}

/// What is in use when everything works.
#[derive(Clone, Copy, Debug, Default)]
struct InUse {
    channels: i64,
    sessions: i64,
}

/// Strikes the faults of a seed for so many seconds, and judges.
///
/// # Errors
/// What keeps it from being run at all.
pub async fn run(ground: &Ground, seed: u64, seconds: f64) -> Result<Verdict> {
    let mut world = World::new(ground).await.context("lay the field")?;
    let mut crew = Crew::start(&world).await?;
    let client = world.stack.client(&crew.doors[0])?;
    let patients = Patients::begin(&client, &crew.at.subscribe(), seed)?;
    let mut before = InUse::default();
    for _ in 0..LOOKS {
        sleep(WARM).await;
        let now = in_use(&world).await?;
        before.channels = before.channels.max(now.channels);
        before.sessions = before.sessions.max(now.sessions);
    }
    let (plan, began) = (Plan::of(seed, seconds), Instant::now());
    let until = began + Duration::from_secs_f64(seconds);
    let mut faults = BTreeMap::new();
    let (at_processes, at_the_world) = tokio::join!(
        processes(&world, &mut crew, &plan.processes, until),
        around(&world, &plan.world, until)
    );
    let took = began.elapsed();
    let struck = [at_processes?, at_the_world?].concat();
    for kind in struck {
        *faults.entry(kind).or_default() += 1;
    }
    let outcome = settled(&world, &mut crew, &client, patients, before).await;
    let memory = |processes: &[crate::Service]| {
        processes.iter().filter_map(|process| process.peak_rss_mib().ok()).fold(0.0, f64::max)
    };
    let memory = (memory(&crew.doors), memory(&crew.workers));
    drop(crew);
    if outcome.is_err() {
        world.stack.keep();
    }
    Ok(Verdict { seed, faults, took, outcome: outcome.map_err(|error| format!("{error:#}")), memory })
}

async fn processes(
    world: &World<'_>,
    crew: &mut Crew,
    plan: &[Planned],
    until: Instant,
) -> Result<Vec<&'static str>> {
    let mut struck = Vec::new();
    for planned in plan {
        sleep(Duration::from_secs_f64(planned.after)).await;
        if Instant::now() >= until {
            break;
        }
        crew.all_run()?;
        strike::process(world, crew, planned).await.with_context(|| planned.strike.kind())?;
        struck.push(planned.strike.kind());
    }
    Ok(struck)
}

async fn around(world: &World<'_>, plan: &[Planned], until: Instant) -> Result<Vec<&'static str>> {
    let mut struck = Vec::new();
    for planned in plan {
        sleep(Duration::from_secs_f64(planned.after)).await;
        if Instant::now() >= until {
            break;
        }
        strike::world(world, planned).await.with_context(|| planned.strike.kind())?;
        struck.push(planned.strike.kind());
    }
    Ok(struck)
}

/// Nothing is struck any more: everybody must recover, and everything have its consequences.
async fn settled(
    world: &World<'_>,
    crew: &mut Crew,
    client: &crate::Client,
    patients: Patients,
    before: InUse,
) -> Result<Account> {
    crew.ready().await?;
    let accepted = patients.end().await?;
    ensure!(!accepted.is_empty(), "nobody was ever told 202");
    let account = judge::judge(world, client, &accepted).await?;
    crew.all_run()?;
    let back = crate::until("channels and sessions to be as before", SETTLED, || async {
        let now = in_use(world).await?;
        let back = now.channels <= before.channels + PASSING && now.sessions <= before.sessions + PASSING;
        Ok(back.then_some(()))
    });
    if back.await.is_err() {
        anyhow::bail!("before: {before:?}, long afterwards: {:?}", in_use(world).await?);
    }
    Ok(account)
}

async fn in_use(world: &World<'_>) -> Result<InUse> {
    let vhost = world.stack.vhost();
    let channels =
        vhost.management().get(&format!("/api/vhosts/{}/channels?columns=name", vhost.name())).await?;
    let channels = channels.as_array().map_or(0, Vec::len);
    let link = world.stack.database().connect().await?;
    let sessions =
        link.count("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()").await?;
    Ok(InUse { channels: i64::try_from(channels).unwrap_or(i64::MAX), sessions })
}
