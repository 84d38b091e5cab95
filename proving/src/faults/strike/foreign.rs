//! The hospital and the mail server, behaving badly for a while, towards somebody who comes.

use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use super::seen;
use crate::faults::field::World;
use crate::faults::plan::{Hop, Strike};
use crate::faults::struck::Effect;
use crate::foreign::Call;
use crate::foreign::manner::{Manner, Silent};
use crate::proxy::Trigger;

pub(super) async fn misbehaves(world: &World<'_>, strike: Strike, held: Duration) -> Result<Effect> {
    match strike {
        Strike::MailLater => mail(world, "later", b"451 ", held).await,
        Strike::MailRefuses => mail(world, "refuse", b"550 ", held).await,
        Strike::MailDown => {
            let before = in_vain(world, &[Hop::Mail]);
            world.inbox.down().await?;
            sleep(held).await;
            let struck = in_vain(world, &[Hop::Mail]) > before;
            world.inbox.up().await?;
            Ok(Effect::shown(struck))
        }
        _ => Ok(hospital(world, strike, held).await),
    }
}

/// Its answer is seen on its way.
async fn mail(world: &World<'_>, mode: &str, says: &[u8], held: Duration) -> Result<Effect> {
    world.inbox.mode(mode)?;
    let says = Trigger::Pattern(says.to_vec());
    let effect = seen::from_server(world.hop(Hop::Mail), says, held).await;
    world.inbox.mode("ok")?;
    Ok(effect)
}

/// Its own log has the calls; of those that nobody took the hops know.
async fn hospital(world: &World<'_>, strike: Strike, held: Duration) -> Effect {
    let both = [Hop::Fhir, Hop::Mllp];
    let (calls, before) = (world.hospital.calls().len(), in_vain(world, &both));
    world.hospital.manner(manner(strike));
    sleep(held).await;
    let struck = match strike {
        Strike::HospitalDown => in_vain(world, &both) > before,
        _ => world.hospital.calls().iter().skip(calls).any(|call| suffers(strike, call)),
    };
    world.hospital.manner(Manner::default());
    Effect::shown(struck)
}

fn suffers(strike: Strike, call: &Call) -> bool {
    match strike {
        Strike::HospitalFails => ["refused 503", "AE"].contains(&call.did.as_str()),
        _ => !call.did.is_empty() && !call.answered,
    }
}

/// How often somebody was led to nobody there.
fn in_vain(world: &World<'_>, hops: &[Hop]) -> u64 {
    hops.iter().map(|hop| world.hop(*hop).led_to_nobody()).sum()
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
