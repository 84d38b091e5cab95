//! A RabbitMQ of three nodes under load: the node that leads the work queue is killed, and whichever leads it then is
//! cut off from the other two. The same judge looks at it afterwards.
//!
//! Neither is left to chance: before each, the node leads by its own word and by another one's, and a door and a worker
//! are connected to it, while the other door and the other worker are not.

mod place;

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::time::Instant;

use super::field::Crew;
use super::in_use::{InUse, Memory};
use super::judge::{self, Account};
use super::patients::Patients;
use super::run::{Verdict, both};
use super::warm_up;
use crate::own::{Cluster, NODES};
use crate::{Client, until};
use place::Place;

/// How long the cluster may take to agree on something, and patients to be told so many 202s.
const BOUND: Duration = Duration::from_secs(120);
/// Submissions that are accepted before each fault and after it, and meanwhile, when half of the doors may be mute.
const BESIDE: usize = 100;
const MEANWHILE: usize = 30;
/// How long each side does without RabbitMQ before anything is counted, as it will when a node is struck.
const WITHOUT: Duration = Duration::from_secs(5);
/// PostgreSQL and RabbitMQ count what has just ended for a while.
const SETTLED: Duration = Duration::from_secs(60);

/// What becomes of the node that leads.
#[derive(Clone, Copy)]
enum Fate {
    Killed,
    /// Alone, while the others are two.
    CutOff,
}

impl Fate {
    /// A word for tables.
    fn kind(self) -> &'static str {
        match self {
            Self::Killed => "kill -9 leader",
            Self::CutOff => "leader cut off",
        }
    }

    async fn strikes(self, cluster: &Cluster, node: u8) -> Result<()> {
        match self {
            Self::Killed => cluster.kill(node).await,
            Self::CutOff => cluster.cut(node).await,
        }
    }

    async fn is_undone(self, cluster: &Cluster, node: u8) -> Result<()> {
        match self {
            Self::Killed => cluster.again(node).await,
            Self::CutOff => cluster.heal(node).await,
        }
    }
}

/// One run on those nodes; patients choose their doors by the seed.
pub async fn run(cluster: &Cluster, seed: u64) -> Verdict {
    let mut verdict = Verdict::of(seed);
    let outcome = on_a_place(cluster, &mut verdict).await;
    verdict.outcome = outcome.map_err(|error| format!("{error:#}"));
    verdict
}

async fn on_a_place(cluster: &Cluster, verdict: &mut Verdict) -> Result<Account> {
    let mut place = Place::new(cluster).await.context("a place on the cluster")?;
    let lived = under_load(&place, verdict).await;
    if lived.is_ok() {
        return lived;
    }
    // While they are still there: the next run is on the same nodes.
    let right = put_right(cluster).await.context("put the nodes right for the next run");
    verdict.kept = Some(place.keep().await);
    both(lived, right.map(|()| Account::default()))
}

async fn put_right(cluster: &Cluster) -> Result<()> {
    for node in NODES {
        cluster.again(node).await?;
        cluster.heal(node).await?;
    }
    Ok(())
}

async fn under_load(place: &Place<'_>, verdict: &mut Verdict) -> Result<Account> {
    let mut crew = place.crew().await?;
    let client = place.stack.client(&crew.doors[0])?;
    // However this ends, they end with it.
    let patients = Patients::begin(&client, &[crew.doors[0].url(), crew.doors[1].url()], verdict.seed)?;
    let before = warmed_up(place, &mut crew).await?;
    verdict.warm = Memory::peak(&crew)?;
    let began = Instant::now();
    for fate in [Fate::Killed, Fate::CutOff] {
        befalls(fate, place, &mut crew, &client).await.context(fate.kind())?;
        verdict.struck.once(fate.kind());
        verdict.took = began.elapsed();
    }
    let account = settled(place, &mut crew, &client, patients, before).await;
    verdict.memory = Memory::now(&crew).unwrap_or_default();
    account
}

/// What is in use under the usual load, behind backlogs, and once each side was without RabbitMQ and the other one had
/// all there is to do: a pool that has grown for that stays so, and the first fault is not to be the first.
async fn warmed_up(place: &Place<'_>, crew: &mut Crew) -> Result<InUse> {
    warm_up::behind_backlogs(&place.stack).await?;
    place.each_side_is_without(WITHOUT, crew).await.context("each side without RabbitMQ")?;
    InUse::at_most(&place.stack).await
}

/// The node that leads meets its fate under load, another one leads, and it comes back.
async fn befalls(fate: Fate, place: &Place<'_>, crew: &mut Crew, client: &Client) -> Result<()> {
    let leader = place.gathers_round_the_leader(crew).await?;
    goes_on(client, BESIDE).await?;
    let other = NODES.into_iter().find(|node| *node != leader).context("another node")?;
    place.still_leads(leader, other).await?;
    fate.strikes(place.cluster, leader).await?;
    place.another_leads(other, leader).await?;
    goes_on(client, MEANWHILE).await?;
    fate.is_undone(place.cluster, leader).await?;
    place.all_are_there(other).await?;
    crew.ready().await?;
    crew.all_run()?;
    goes_on(client, BESIDE).await
}

/// Waits until so many more were answered 202.
async fn goes_on(client: &Client, more: usize) -> Result<()> {
    let accepted = || client.log().iter().filter(|sent| sent.status == Some(202)).count();
    let goal = accepted() + more;
    until(&format!("{more} more to be accepted"), BOUND, || async { Ok((accepted() >= goal).then_some(())) })
        .await
}

/// Nothing is struck any more: everything must have its consequences, and what is in use be given back.
async fn settled(
    place: &Place<'_>,
    crew: &mut Crew,
    client: &Client,
    patients: Patients,
    before: InUse,
) -> Result<Account> {
    let accepted = patients.end().await?;
    let account = judge::judge(&place.seen(), client, &accepted).await?;
    let quarantined = account.quarantined + account.redriven;
    ensure!(quarantined == 0, "{quarantined} were quarantined, and none of our processes was killed");
    crew.all_run()?;
    let back = until("channels and sessions to be as before", SETTLED, || async {
        Ok(InUse::by(&place.stack).await?.is_back_at(before).then_some(()))
    });
    if back.await.is_err() {
        bail!("before: {before:?}, long afterwards: {:?}", InUse::by(&place.stack).await?);
    }
    Ok(account)
}
