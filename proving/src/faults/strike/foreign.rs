//! The hospital and the mail server, behaving badly for a while.

use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use crate::faults::field::World;
use crate::faults::plan::Strike;
use crate::foreign::manner::{Manner, Silent};

pub(super) async fn misbehaves(world: &World<'_>, strike: Strike, held: Duration) -> Result<()> {
    match strike {
        Strike::MailLater => mail(world, "later", held).await,
        Strike::MailRefuses => mail(world, "refuse", held).await,
        Strike::MailDown => {
            world.inbox.down().await?;
            sleep(held).await;
            world.inbox.up().await
        }
        _ => {
            world.hospital.manner(manner(strike));
            sleep(held).await;
            world.hospital.manner(Manner::default());
            Ok(())
        }
    }
}

async fn mail(world: &World<'_>, mode: &str, held: Duration) -> Result<()> {
    world.inbox.mode(mode)?;
    sleep(held).await;
    world.inbox.mode("ok")
}

fn manner(strike: Strike) -> Manner {
    match strike {
        Strike::HospitalFails => {
            Manner { status: Some(503), ack: Some("AE".to_owned()), ..Manner::default() }
        }
        Strike::HospitalSilent => Manner { silent: Some(Silent::After), ..Manner::default() },
        _ => Manner { down: true, ..Manner::default() },
    }
}
