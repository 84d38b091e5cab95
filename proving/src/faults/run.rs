//! One run, from its seed to its verdict.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use tokio::time::{Instant, sleep};

use super::field::{Crew, Ground, World};
use super::in_use::{InUse, Memory};
use super::judge::{self, Account};
use super::kept;
use super::load::{self, Load};
use super::patients::{Accepted, Patients};
use super::plan::{Plan, Planned};
use super::strike;
use super::struck::{Effect, Struck};
use super::warm_up;
use crate::Client;

/// PostgreSQL and RabbitMQ count what has just ended for a while; memory is given back by and by.
const SETTLED: Duration = Duration::from_secs(60);
/// A process may have so much of the memory that it had when it was warm.
const GROWTH: f64 = 1.1;
/// So much of what the open load would have sent, had nothing been struck, has to be taken before the last fault is
/// undone. Nobody makes up for what could not be sent, so that doors that were dead most of the time fail a run. A slow
/// machine doesn't: the rate is a small part of what one can do. Nor does a seed: on the average faults stop both doors
/// for a fifth of the time, and whenever they come back, all apps that wait are taken at once.
const TAKEN: f64 = 0.25;
/// The longest run, in seconds: what the open load stores has to find room on the small disk, and be held in memory.
pub const LONGEST: f64 = 150.0;

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// What it can be run again with.
    pub seed: u64,
    /// Its faults.
    pub struck: Struck,
    /// From the first fault to the last.
    pub took: Duration,
    /// What was counted; an error says what is wrong, or what kept it from being run to its end.
    pub outcome: Result<Account, String>,
    /// Memory before the first fault, at its highest.
    pub warm: Memory,
    /// Memory since then, at its highest.
    pub peak: Memory,
    /// Memory at the end.
    pub memory: Memory,
    /// Where its logs and tables are, if it failed.
    pub kept: Option<PathBuf>,
}

impl Verdict {
    pub(super) fn of(seed: u64) -> Self {
        Self {
            seed,
            struck: Struck::default(),
            took: Duration::ZERO,
            outcome: Err("it was not run".to_owned()),
            warm: Memory::default(),
            peak: Memory::default(),
            memory: Memory::default(),
            kept: None,
        }
    }
}

/// Strikes the faults of a seed for so many seconds, and judges. What keeps it from being run to its end is a verdict,
/// too: a process that ended by itself, or never became ready, says as much of us as a lost submission.
pub async fn run(ground: &Ground, seed: u64, seconds: f64) -> Verdict {
    let mut verdict = Verdict::of(seed);
    let outcome = on_a_field(ground, seconds, &mut verdict).await;
    verdict.outcome = outcome.map_err(|error| format!("{error:#}"));
    verdict
}

async fn on_a_field(ground: &Ground, seconds: f64, verdict: &mut Verdict) -> Result<Account> {
    let laid = World::new(ground).await.context("lay the field");
    let lived = match &laid {
        Ok(world) => under_fire(world, seconds, verdict).await,
        Err(error) => Err(anyhow!("{error:#}")),
    };
    if lived.is_ok() {
        return lived;
    }
    // While the world is still there: what is struck no more can take its vhost and its database away.
    let right = strike::put_right(ground).await.context("put the services right for the next run");
    if let Ok(mut world) = laid {
        verdict.kept = Some(kept::keep(&mut world).await);
    }
    both(lived, right.map(|()| Account::default()))
}

async fn under_fire(world: &World<'_>, seconds: f64, verdict: &mut Verdict) -> Result<Account> {
    let mut crew = Crew::start(world).await?;
    let client = world.stack.client(&crew.doors[0])?;
    // However this ends, they end with it.
    let mut senders = Senders::begin(&client, &world.doors(), verdict.seed)?;
    let before = warm_up::warm(world, &mut crew).await?;
    verdict.warm = Memory::peak(&crew)?;
    Memory::forget_peak(&crew)?;
    senders.come_under_fire();
    let account = match struck(world, &mut crew, seconds, verdict).await {
        Ok(()) => {
            senders.are_out_of_it(verdict.took);
            let lost = verdict.struck.lost_a_queue();
            settled(world, &mut crew, &client, senders, lost, (before, verdict.warm)).await
        }
        Err(error) => Err(error),
    };
    verdict.peak = Memory::peak(&crew).unwrap_or_default();
    verdict.memory = Memory::now(&crew).unwrap_or_default();
    account
}

/// Everybody who sends, and how much of the open load was taken while faults were struck.
struct Senders {
    patients: Patients,
    load: Load,
    /// Before the first fault.
    before: usize,
    /// Under fire, and what had to be at least.
    taken: usize,
    least: usize,
}

impl Senders {
    fn begin(client: &Client, doors: &[String; 2], seed: u64) -> Result<Self> {
        let (patients, load) =
            (Patients::begin(client, doors, seed)?, Load::begin(client, doors, seed.wrapping_add(1 << 32))?);
        Ok(Self { patients, load, before: 0, taken: 0, least: 0 })
    }

    fn come_under_fire(&mut self) {
        self.before = self.load.taken();
    }

    fn are_out_of_it(&mut self, took: Duration) {
        self.taken = self.load.taken() - self.before;
        self.least = (TAKEN * load::RATE * took.as_secs_f64()) as usize;
    }

    /// What they were told 202 for.
    async fn end(self) -> Result<Vec<Accepted>> {
        let Self { patients, load, taken, least, .. } = self;
        let (mut accepted, mut more) = tokio::try_join!(patients.end(), load.end())?;
        ensure!(!accepted.is_empty(), "no patient was ever told 202");
        ensure!(
            taken >= least,
            "only {taken} submissions of the open load were taken under fire, not {least}"
        );
        accepted.append(&mut more);
        Ok(accepted)
    }
}

/// Both sequences, each to its end or to its first error: a fault of the other one is undone all the same.
async fn struck(world: &World<'_>, crew: &mut Crew, seconds: f64, verdict: &mut Verdict) -> Result<()> {
    let (plan, began) = (Plan::of(verdict.seed, seconds), Instant::now());
    let until = began + Duration::from_secs_f64(seconds);
    let (mut at_processes, mut at_the_world) = (Vec::new(), Vec::new());
    let (one, other) = tokio::join!(
        processes(world, crew, &plan.processes, until, &mut at_processes),
        around(world, &plan.world, until, &mut at_the_world)
    );
    verdict.took = began.elapsed();
    for (planned, effect) in at_processes.into_iter().chain(at_the_world) {
        verdict.struck.note(planned, effect);
    }
    both(one, other)
}

/// The errors of both, if both failed.
pub(super) fn both<T>(one: Result<T>, other: Result<T>) -> Result<T> {
    match (one, other) {
        (Err(one), Err(other)) => Err(anyhow!("{one:#}\n{other:#}")),
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
        (Ok(one), Ok(_)) => Ok(one),
    }
}

async fn processes<'p>(
    world: &World<'_>,
    crew: &mut Crew,
    plan: &'p [Planned],
    until: Instant,
    struck: &mut Vec<(&'p Planned, Effect)>,
) -> Result<()> {
    for planned in possible(world, plan) {
        sleep(Duration::from_secs_f64(planned.after)).await;
        if Instant::now() >= until {
            break;
        }
        crew.all_run()?;
        let effect = strike::process(world, crew, planned).await.with_context(|| planned.strike.kind())?;
        struck.push((planned, effect));
    }
    Ok(())
}

async fn around<'p>(
    world: &World<'_>,
    plan: &'p [Planned],
    until: Instant,
    struck: &mut Vec<(&'p Planned, Effect)>,
) -> Result<()> {
    for planned in possible(world, plan) {
        sleep(Duration::from_secs_f64(planned.after)).await;
        if Instant::now() >= until {
            break;
        }
        let effect = strike::world(world, planned).await.with_context(|| planned.strike.kind())?;
        struck.push((planned, effect));
    }
    Ok(())
}

/// Those for which there is here what they take.
fn possible<'p>(world: &World<'_>, plan: &'p [Planned]) -> impl Iterator<Item = &'p Planned> {
    let ground = world.ground;
    plan.iter().filter(move |planned| planned.strike.need().is_none_or(|need| ground.has(need)))
}

/// Nothing is struck any more: everybody must recover, and everything have its consequences.
async fn settled(
    world: &World<'_>,
    crew: &mut Crew,
    client: &Client,
    senders: Senders,
    lost: bool,
    (before, warm): (InUse, Memory),
) -> Result<Account> {
    crew.ready().await?;
    let accepted = senders.end().await?;
    if lost {
        strike::redrive(world).await?;
    }
    let account = judge::judge(&world.seen(), client, &accepted).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_both_sequences_fail_neither_error_hides_the_other() {
        let failed = |what: &'static str| Err::<u8, _>(anyhow!(what).context("a fault"));
        let text = |outcome: Result<u8>| outcome.map_err(|error| format!("{error:#}"));
        assert_eq!(
            text(both(failed("one"), failed("other"))),
            Err("a fault: one\na fault: other".to_owned())
        );
        assert_eq!(text(both(failed("one"), Ok(2))), Err("a fault: one".to_owned()));
        assert_eq!(text(both(Ok(1), failed("other"))), Err("a fault: other".to_owned()));
        assert_eq!(text(both(Ok(1), Ok(2))), Ok(1));
    }

    #[test]
    fn a_run_that_was_not_begun_is_no_run_that_went_well() {
        assert!(Verdict::of(7).outcome.is_err());
    }
}
