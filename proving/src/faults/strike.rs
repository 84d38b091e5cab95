//! One fault: done, held, undone.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::sleep;

use super::field::{Crew, World};
use super::plan::{How, Planned, Strike, Whom};
use crate::foreign::manner::{Manner, Silent};
use crate::proxy::Mode;

/// Bytes a second of a slow hop.
const SLOW: u32 = 20_000;
/// How long a process may take to drain: the broker may be away, or PostgreSQL.
const DRAIN: Duration = Duration::from_secs(60);
/// RabbitMQ's usual watermark.
const WATERMARK: &str = "0.4";

/// At one of our processes.
pub(super) async fn process(world: &World<'_>, crew: &mut Crew, planned: &Planned) -> Result<()> {
    let held = Duration::from_secs_f64(planned.held);
    match planned.strike {
        Strike::Freeze(whom) => {
            crew.one(whom).stop().await?;
            sleep(held).await;
            crew.one(whom).resume().await
        }
        Strike::Kill(whom) => {
            crew.one(whom).kill().await?;
            again(world, crew, whom, held).await
        }
        Strike::Replace(whom) => {
            crew.one(whom).drain(DRAIN).await.context("a process that was asked to drain")?;
            again(world, crew, whom, held).await
        }
        _ => Ok(()),
    }
}

async fn again(world: &World<'_>, crew: &mut Crew, whom: Whom, held: Duration) -> Result<()> {
    sleep(held).await;
    crew.replace(whom, world)
}

/// At the world around them.
pub(super) async fn world(world: &World<'_>, planned: &Planned) -> Result<()> {
    let held = Duration::from_secs_f64(planned.held);
    match planned.strike {
        Strike::Hop(hop, how) => {
            let hop = world.hop(hop);
            match how {
                How::CutOnce => hop.cut_once(),
                How::Cut => hop.cut(),
                How::Stall => hop.stall(),
                How::Slow => hop.set(Mode::Slow(SLOW)),
                How::HalfOpen => hop.set(Mode::HalfOpen),
            }
            sleep(held).await;
            hop.pass();
        }
        Strike::BrokerKill => {
            world.ground.broker.kill().await?;
            sleep(held).await;
            world.ground.broker.again().await?;
        }
        Strike::BrokerAlarm => {
            watermark(world, "0.000001").await?;
            sleep(held).await;
            watermark(world, WATERMARK).await?;
        }
        Strike::BrokerCloses => drop(world.stack.vhost().close_connections().await?),
        Strike::PostgresKill => {
            world.ground.postgres.kill().await?;
            sleep(held).await;
            world.ground.postgres.again().await?;
        }
        Strike::PostgresEnds => {
            let link = world.stack.database().connect().await?;
            link.count(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                 WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            .await?;
        }
        Strike::PostgresFull => {
            let mut hogs = Vec::new();
            while let Ok(hog) = world.stack.database().connect().await {
                hogs.push(hog);
            }
            sleep(held).await;
        }
        Strike::HospitalFails => {
            let ack = Some("AE".to_owned());
            behave(world, Manner { status: Some(503), ack, ..Manner::default() }, held).await;
        }
        Strike::HospitalSilent => {
            behave(world, Manner { silent: Some(Silent::After), ..Manner::default() }, held).await;
        }
        Strike::HospitalDown => behave(world, Manner { down: true, ..Manner::default() }, held).await,
        Strike::MailLater => {
            world.inbox.mode("later")?;
            sleep(held).await;
            world.inbox.mode("ok")?;
        }
        Strike::Kill(_) | Strike::Freeze(_) | Strike::Replace(_) => {}
    }
    Ok(())
}

async fn watermark(world: &World<'_>, part: &str) -> Result<()> {
    world.ground.broker.rabbitmqctl(&["set_vm_memory_high_watermark", part]).await
}

async fn behave(world: &World<'_>, manner: Manner, held: Duration) {
    world.hospital.manner(manner);
    sleep(held).await;
    world.hospital.manner(Manner::default());
}
