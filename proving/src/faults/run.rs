//! One run, from its seed to its verdict.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::time::{Instant, sleep};

use super::field::{Crew, Ground, World};
use super::in_use::{InUse, Memory};
use super::judge::{self, Account};
use super::patients::Patients;
use super::plan::{Plan, Planned};
use super::strike;
use crate::Client;

/// How long everything is used before the first fault, in looks at what is in use then.
const WARM: Duration = Duration::from_secs(1);
const LOOKS: usize = 8;
/// PostgreSQL and RabbitMQ count what has just ended for a while; memory is given back by and by.
const SETTLED: Duration = Duration::from_secs(60);
/// A process may have so much of the memory that it had when it was warm.
const GROWTH: f64 = 1.1;

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
    /// Memory before the first fault, at its highest.
    pub warm: Memory,
    /// Memory at the end.
    pub memory: Memory,
}

/// Strikes the faults of a seed for so many seconds, and judges.
///
/// # Errors
/// What keeps it from being run at all.
pub async fn run(ground: &Ground, seed: u64, seconds: f64) -> Result<Verdict> {
    let mut world = World::new(ground).await.context("lay the field")?;
    let mut crew = Crew::start(&world).await?;
    let client = world.stack.client(&crew.doors[0])?;
    let patients = Patients::begin(&client, &world.doors(), seed)?;
    let mut before = InUse::default();
    for _ in 0..LOOKS {
        sleep(WARM).await;
        before = before.or_more(InUse::of(&world).await?);
    }
    let warm = Memory::peak(&crew)?;
    let (plan, began) = (Plan::of(seed, seconds), Instant::now());
    let until = began + Duration::from_secs_f64(seconds);
    let (at_processes, at_the_world) = tokio::join!(
        processes(&world, &mut crew, &plan.processes, until),
        around(&world, &plan.world, until)
    );
    let took = began.elapsed();
    let mut faults = BTreeMap::new();
    for kind in [at_processes?, at_the_world?].concat() {
        *faults.entry(kind).or_default() += 1;
    }
    let lost = faults.keys().any(|kind| kind.ends_with("queue lost"));
    let outcome = settled(&world, &mut crew, &client, patients, lost, (before, warm)).await;
    let memory = Memory::now(&crew).unwrap_or_default();
    drop(crew);
    if outcome.is_err() {
        world.stack.keep();
    }
    Ok(Verdict { seed, faults, took, outcome: outcome.map_err(|error| format!("{error:#}")), warm, memory })
}

async fn processes(
    world: &World<'_>,
    crew: &mut Crew,
    plan: &[Planned],
    until: Instant,
) -> Result<Vec<&'static str>> {
    let mut struck = Vec::new();
    for planned in possible(world, plan) {
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
    for planned in possible(world, plan) {
        sleep(Duration::from_secs_f64(planned.after)).await;
        if Instant::now() >= until {
            break;
        }
        strike::world(world, planned).await.with_context(|| planned.strike.kind())?;
        struck.push(planned.strike.kind());
    }
    Ok(struck)
}

/// Those for which there is here what they take.
fn possible<'p>(world: &'p World<'_>, plan: &'p [Planned]) -> impl Iterator<Item = &'p Planned> {
    let ground = world.ground;
    plan.iter().filter(move |planned| planned.strike.need().is_none_or(|need| ground.has(need)))
}

/// Nothing is struck any more: everybody must recover, and everything have its consequences.
async fn settled(
    world: &World<'_>,
    crew: &mut Crew,
    client: &Client,
    patients: Patients,
    lost: bool,
    (before, warm): (InUse, Memory),
) -> Result<Account> {
    crew.ready().await?;
    let accepted = patients.end().await?;
    ensure!(!accepted.is_empty(), "nobody was ever told 202");
    if lost {
        strike::redrive(world).await?;
    }
    let account = judge::judge(world, client, &accepted).await?;
    crew.all_run()?;
    let back = crate::until("channels and sessions to be as before", SETTLED, || async {
        Ok(InUse::of(world).await?.is_back_at(before).then_some(()))
    });
    if back.await.is_err() {
        bail!("before: {before:?}, long afterwards: {:?}", InUse::of(world).await?);
    }
    let crew: &Crew = crew;
    let given_back = crate::until("memory to be as before", SETTLED, || async {
        Ok(Memory::now(crew)?.is_within(warm, GROWTH).then_some(()))
    });
    if given_back.await.is_err() {
        let now = Memory::now(crew)?;
        bail!("more than {GROWTH} times the memory, in MiB: warm {warm:?}, long afterwards {now:?}");
    }
    Ok(account)
}
