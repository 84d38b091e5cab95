//! Everything is used before anything is measured: what is in use and how large a process is once all of it was.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::sleep;

use super::field::{Crew, World};
use super::in_use::InUse;
use super::load;
use super::patients::PATIENCE;
use super::plan::{GOING, Hop};
use super::strike;
use crate::vhost::ready;
use crate::{Stack, until};

/// Lanes that have been through a backlog: a pool that has grown stays so while PostgreSQL is well, and the backlog
/// behind the last fault is not to be the first. What is delivered or told is first stored, so that they take turns.
const BEHIND: [&[&str]; 2] = [&["submissions"], &["hospitals", "alerts"]];
/// For how long each stands still for that: every replica obeys within two seconds.
const BACKLOG: Duration = Duration::from_secs(5);
/// For how long RabbitMQ and PostgreSQL each stand still for that, too: a door holds what it took, a worker what it
/// has.
const STANDSTILL: Duration = Duration::from_secs(4);
/// For how long the first door is frozen. Within two seconds every app waits for it; each gives up and comes again, on
/// another connection: these are more than the door's `intake.connections`.
const FROZEN: Duration =
    Duration::from_secs(2).saturating_add(PATIENCE).saturating_add(load::PAUSE.saturating_mul(2));
const ROUTINE: &str = "epro.submissions.routine";
/// So many lie in the queue when a worker's hands are full: as long as they are not, what comes doesn't stay there, and
/// all apps together send less at once.
const LEFT_LYING: u32 = 1024;
/// How long that may take, and the work that it makes.
const BOUND: Duration = Duration::from_secs(120);
/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(250);

/// What is in use once everything was.
pub(super) async fn warm(world: &World<'_>, crew: &mut Crew) -> Result<InUse> {
    alone(world, crew).await.context("the first door and the first worker, alone")?;
    together(world).await
}

/// The two whose memory is judged are alone, with all of the run's load, and are asked for the most that any fault can
/// ask of them, so that nothing struck later is the first to touch what they keep from then on:
///
/// - A door: every app is led to it. RabbitMQ stands still until it has `intake.outstanding` under way and tells all
///   others 503; then it is frozen until more connections wait for it than it takes at a time.
/// - A worker: the broker hands out its prefetch and no more, however long the queue. PostgreSQL stands still until
///   messages stay in the queue. It also owns every hospital and tells every alert, as there is no other.
/// - Both: every connection to RabbitMQ is made anew under load. Each has two rings of 32 frames of 16 KiB, which lapin
///   writes to round and round, so that whatever passes touches them by and by. What a quiet one has not touched yet
///   (of a connection that carries acks alone: most of 512 KiB) is little beside full hands and windows, which count
///   in the peak that is taken here, and of which nothing is left when all is settled.
async fn alone(world: &World<'_>, crew: &mut Crew) -> Result<()> {
    for whom in GOING {
        strike::leaves(crew.one(whom)).await?;
    }
    world.hop(Hop::SecondDoor).turn_to(crew.doors[0].listen());
    strike::stands_still(&world.ground.broker, STANDSTILL).await?;
    world.stack.vhost().close_connections().await?;
    crew.doors[0].stop().await?;
    sleep(FROZEN).await;
    crew.doors[0].resume().await?;
    full_hands(world).await?;
    for whom in GOING {
        crew.replace(whom, world)?;
    }
    crew.ready().await?;
    // Who was led to the first door connects anew, to the second.
    world.hop(Hop::SecondDoor).cut_once();
    Ok(())
}

/// PostgreSQL stands still until the worker has in hand all that it may.
async fn full_hands(world: &World<'_>) -> Result<()> {
    let postgres = &world.ground.postgres;
    postgres.pause().await?;
    let full = lying(world, |lying| lying >= LEFT_LYING).await;
    postgres.resume().await?;
    full.context("a worker's hands, to be full")?;
    lying(world, |lying| lying == 0).await.context("a backlog, to be worked off")
}

/// Waits until as many routine submissions lie in their queue, in nobody's hand.
async fn lying(world: &World<'_>, enough: fn(u32) -> bool) -> Result<()> {
    let connection = world.stack.vhost().connect().await?;
    let channel = connection.create_channel().await?;
    until("what lies in a queue", BOUND, || async {
        if enough(ready(&channel, ROUTINE).await?) {
            return Ok(Some(()));
        }
        sleep(LOOK).await;
        Ok(None)
    })
    .await?;
    Ok(connection.close(200, "looked".into()).await?)
}

/// What is in use by all four, under the usual load, behind a backlog, and while neither service answered.
async fn together(world: &World<'_>) -> Result<InUse> {
    behind_backlogs(&world.stack).await?;
    for service in [&world.ground.broker, &world.ground.postgres] {
        strike::stands_still(service, STANDSTILL).await?;
    }
    InUse::at_most(&world.stack).await
}

/// Lanes go through backlogs, in turns.
pub(super) async fn behind_backlogs(stack: &Stack) -> Result<()> {
    for lanes in BEHIND {
        for &lane in lanes {
            stack.epro(&["pause", lane, "--reason", "for a backlog"]).await?;
        }
        sleep(BACKLOG).await;
        for &lane in lanes {
            stack.epro(&["resume", lane, "--reason", "there is a backlog"]).await?;
        }
    }
    Ok(())
}
