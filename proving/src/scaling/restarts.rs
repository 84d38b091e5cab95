//! Rolling restarts under load: a replacement is ready before the old one is asked to leave, over and over, workers
//! and doors. Then a few workers are killed, for comparison.
#![allow(clippy::print_stderr, reason = "for people who wait")]

use std::sync::PoisonError;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::apps::{Apps, Told};
use super::fleet::{Counted, Fleet, counted};
use crate::conservation;
use crate::days::finding::{Bound, Finding};
use crate::service::Service;
use crate::stack::{Plan, Stack};

/// Submissions a second meanwhile, and over how many connections.
const RATE: f64 = 400.0;
const CONNECTIONS: usize = 32;
/// What a worker may hold of the routine queue.
const PREFETCH: u32 = 512;
/// Workers that are there all the time.
const WORKERS: usize = 2;
/// Every so many restarts a door's.
const DOOR: usize = 5;
/// How long a door is known after it was taken out of the list, as a cluster's endpoints are (preStop).
const KNOWN: Duration = Duration::from_millis(200);

/// Lives through so many restarts, and so many kills.
pub async fn live(restarts: usize, kills: usize) -> Result<Vec<Finding>> {
    let config = json!({"worker": {"lanes": ["submissions"], "chunk": 128, "prefetch": PREFETCH}});
    let stack = Stack::with(Plan { config, ..Plan::default() }).await?;
    let mut doors = vec![stack.api().await?, stack.api().await?];
    let apps = Apps::new(stack.minter(), doors[0].listen())?;
    know(&apps, &doors);
    let mut fleet = Fleet::of(&stack)?;
    fleet.become_(WORKERS).await?;

    let sending = apps.keep_sending(CONNECTIONS, RATE);
    for number in 1..=restarts {
        if number.is_multiple_of(DOOR) {
            replace_door(&stack, &apps, &mut doors).await?;
        } else {
            fleet.add().await?;
            fleet.dismiss(0).await?;
        }
        if number.is_multiple_of(10) {
            eprintln!("{number} restarts; told so far: {:?}", apps.told());
        }
    }
    apps.end(sending).await?;
    let by_leaving = counted(&stack).await?;
    let until_then = apps.told().get(&Told::Status(202)).copied().unwrap_or(0) as f64;

    let given_back = fleet.given_back;
    let apps = apps.again();
    let in_the_end = match kills {
        0 => by_leaving,
        _ => killed(&stack, &apps, &mut fleet, kills).await?,
    };
    let by_kills = in_the_end.again - by_leaving.again;
    let account = conservation(&stack, &apps.log()).await?;
    fleet.become_(0).await?;
    let told = apps.told();
    let of = |what: Told| told.get(&what).copied().unwrap_or(0) as f64;
    let accepted = account.accepted as f64;
    let strange: usize = told.iter().filter(|(told, _)| !told.is_allowed()).map(|(_, count)| count).sum();
    Ok(vec![
        Finding::new("rolling restarts, one in five of a door", restarts as f64, Bound::Any),
        Finding::new("submissions that were answered 202", accepted, Bound::AtLeast(1.0)),
        Finding::new("of them lost", accepted - account.stored as f64, Bound::Is(0.0)),
        Finding::new("set aside", account.dead as f64, Bound::Is(0.0)),
        Finding::new("other answers than 202 and 503, and answers cut off", strange as f64, Bound::Is(0.0)),
        Finding::new("  503", of(Told::Status(503)), Bound::Any),
        Finding::new("  connections refused", of(Told::Refused), Bound::Any),
        Finding::new("  kept connections that were closed while idle", of(Told::Closed), Bound::Any),
        // Not in the end: what the broker hasn't counted yet of a killed worker's channel it never counts.
        Finding::new(
            "acks that the broker counted before the kills",
            by_leaving.acks as f64,
            Bound::AtLeast(until_then),
        ),
        Finding::new(
            "deliveries that those gave back that left on SIGTERM",
            given_back as f64,
            Bound::Is(0.0),
        ),
        Finding::new("deliveries that came again after them", by_leaving.again as f64, Bound::Is(0.0)),
        Finding::new("the slowest worker left within, s", fleet.slowest(), Bound::AtMost(30.0)),
        Finding::new("workers killed", kills as f64, Bound::Any),
        Finding::new(
            "deliveries that came again after them, prefetch 512 each",
            by_kills as f64,
            Bound::AtMost(kills as f64 * f64::from(PREFETCH)),
        ),
    ])
}

/// Kills workers under load; what the broker has counted by then.
async fn killed(stack: &Stack, apps: &Apps, fleet: &mut Fleet<'_>, kills: usize) -> Result<Counted> {
    let sending = apps.keep_sending(CONNECTIONS, RATE);
    for _ in 0..kills {
        fleet.add().await?;
        // Work for it first, so that there is something to lose.
        tokio::time::sleep(Duration::from_secs(1)).await;
        fleet.kill(0).await?;
    }
    apps.end(sending).await?;
    counted(stack).await
}

fn know(apps: &Apps, doors: &[Service]) {
    let known = doors.iter().map(|door| door.listen().to_owned()).collect();
    *apps.doors.write().unwrap_or_else(PoisonError::into_inner) = known;
}

/// The new one is known before the old one isn't, and the old one leaves after nobody looks for it any more.
async fn replace_door(stack: &Stack, apps: &Apps, doors: &mut Vec<Service>) -> Result<()> {
    doors.push(stack.api().await?);
    let mut old = doors.remove(0);
    know(apps, doors);
    tokio::time::sleep(KNOWN).await;
    let code = old.drain(Duration::from_secs(45)).await?;
    anyhow::ensure!(code == 0, "a door left with {code}:\n{}", old.output());
    Ok(())
}
