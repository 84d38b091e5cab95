//! One fault: done, held, undone; and whether anything shows that it struck.

mod foreign;
mod lost;
mod places;
mod seen;
mod services;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::sleep;

use super::field::{Crew, World, last_lines, unix_seconds};
use super::plan::{End, GOING, Hop, How, Planned, Strike, Whom};
use super::struck::Effect;
use crate::Service;
use crate::proxy::Mode;
pub(super) use lost::{redrive, redrive_deliveries};
pub(super) use services::{put_right, stands_still};

/// How long a process may take to drain: the broker may be away, or PostgreSQL.
const DRAIN: Duration = Duration::from_secs(60);
/// What a shell says of a process that SIGTERM ended: 128 + 15.
const TERMINATED: i32 = 143;
/// How long a new process may take until it is ready, for the same reasons.
const READY: Duration = Duration::from_secs(60);

/// At one of our processes.
pub(super) async fn process(world: &World<'_>, crew: &mut Crew, planned: &Planned) -> Result<Effect> {
    let held = Duration::from_secs_f64(planned.held);
    match planned.strike {
        Strike::Freeze(whom) => {
            crew.one(whom).stop().await?;
            sleep(held).await;
            let stood_still = seen::stands_still(crew.one(whom).pid());
            crew.one(whom).resume().await?;
            Ok(Effect::shown(stood_still))
        }
        Strike::Kill(whom) => {
            if matches!(whom, Whom::Worker(_)) {
                world.noted.kill();
            }
            crew.one(whom).kill().await?;
            again(world, crew, whom, held).await
        }
        Strike::Replace(whom) => {
            leaves(crew.one(whom)).await.context("a process that was asked to drain")?;
            again(world, crew, whom, held).await
        }
        Strike::Rollout => roll(world, crew).await,
        Strike::Clock(whom, seconds) => {
            world.set_clock(whom, seconds)?;
            sleep(held).await;
            let went_by_it = world.goes_by_its_clock(whom)?;
            world.set_clock(whom, 0)?;
            Ok(Effect::shown(went_by_it))
        }
        _ => Ok(Effect::Void),
    }
}

async fn again(world: &World<'_>, crew: &mut Crew, whom: Whom, held: Duration) -> Result<Effect> {
    sleep(held).await;
    crew.replace(whom, world)?;
    Ok(Effect::Struck)
}

/// As Kubernetes does it: the new one is ready before the old one is told.
async fn roll(world: &World<'_>, crew: &mut Crew) -> Result<Effect> {
    for whom in GOING {
        let mut new = world.start(whom)?;
        new.ready_is(true, READY).await.context("a new process of a rollout")?;
        let mut old = crew.put(whom, new, world);
        leaves(&mut old).await.context("an old process of a rollout")?;
    }
    Ok(Effect::Struck)
}

/// SIGTERM, and its end, which has to be one in order.
pub(super) async fn leaves(process: &mut Service) -> Result<()> {
    let answers = process.readyz().await.is_ok();
    let code = process.drain(DRAIN).await?;
    ensure!(in_order(code, answers), "it left with {code}:\n{}", last_lines(&process.output()));
    Ok(())
}

/// Whoever answers on its admin port, ready or not, listens to signals since before. Until then SIGTERM just ends it.
fn in_order(code: i32, answers: bool) -> bool {
    code == 0 || (!answers && code == TERMINATED)
}

/// At the world around them.
pub(super) async fn world(world: &World<'_>, planned: &Planned) -> Result<Effect> {
    let held = Duration::from_secs_f64(planned.held);
    match planned.strike {
        Strike::Hop(hop, how, end) => Ok(fail(world, (hop, how, end), held).await),
        Strike::BrokerKill => services::broker_kill(world, held).await,
        Strike::BrokerFreeze => services::broker_freeze(world, held).await,
        Strike::BrokerAlarm => services::alarm(world, held).await,
        Strike::BrokerCloses => services::closes_connections(world).await,
        Strike::BrokerFull => services::no_connection_taken(world, held).await,
        Strike::AckTimeout => services::ack_timeout(world, held).await,
        Strike::QueueLost(queue) => lost::lose(world, queue, held).await,
        Strike::PostgresKill => services::postgres_kill(world, held).await,
        Strike::PostgresFreeze => services::postgres_freeze(world, held).await,
        Strike::PostgresEnds => services::ends_sessions(world).await,
        Strike::PostgresFull => places::none_left(world, held).await,
        Strike::DiskFull => services::disk_full(world, held).await,
        Strike::HospitalFails
        | Strike::HospitalSilent
        | Strike::HospitalDown
        | Strike::MailLater
        | Strike::MailRefuses
        | Strike::MailDown => foreign::misbehaves(world, planned.strike, held).await,
        Strike::Kill(_) | Strike::Freeze(_) | Strike::Replace(_) | Strike::Rollout | Strike::Clock(..) => {
            Ok(Effect::Void)
        }
    }
}

/// It struck if a connection broke or was refused, or bytes had to wait.
async fn fail(world: &World<'_>, (hop, how, end): (Hop, How, End), held: Duration) -> Effect {
    let (relay, since) = (world.hop(hop), unix_seconds());
    let before = relay.in_the_way();
    match how {
        How::CutOnce => relay.cut_once(),
        How::Cut => relay.cut(),
        How::Stall => relay.stall(),
        How::Slow => relay.set(Mode::Slow(hop.when_slow())),
        How::HalfOpen(heard) => relay.set(Mode::HalfOpen(heard)),
    }
    sleep(held).await;
    let struck = relay.in_the_way() > before;
    match end {
        End::Passes => relay.pass(),
        End::Breaks => relay.cut_once(),
    }
    if end == End::Passes && how.holds_questions_back() {
        // What it held back passes at once, also what its caller has given up: nobody's pace is seen behind it then.
        world.held_back_since(hop, since);
    }
    Effect::shown(struck)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_never_listened_to_signals_may_be_ended_by_one() {
        assert!(in_order(0, true) && in_order(0, false) && in_order(TERMINATED, false));
        assert!(
            !in_order(TERMINATED, true)
                && !in_order(1, false)
                && !in_order(130, true)
                && !in_order(137, true)
        );
    }
}
