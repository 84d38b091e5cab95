//! An hour at half of what was measured: whether memory, channels and sessions stay what they were, whether everything
//! that was answered 202 is stored, and whether what follows on from a part of it has come where it has to.
//!
//! | module | does |
//! |---|---|
//! | `mix` | what is sent, and how much of it goes on to a hospital or is dangerous |
//! | `sending` | sends at a steady rate, and keeps a hash of each |
//! | `room` | whether the disk holds what is going to be stored |
//! | `watch` | looks at everything every ten seconds |
//! | [`record`] | what a soak came to |
//! | `drawn` | what docs/PROOF.md says and shows of it |
#![allow(clippy::print_stderr, reason = "for people who wait")]

mod drawn;
mod mix;
pub mod record;
mod room;
mod sending;
mod watch;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::bench::ground::Ground;
use crate::bench::measure::median;
use crate::bench::messages::ROUTINE;
use crate::bench::recorded;
use crate::conservation::{Account, streamed};
use crate::faults::in_use::InUse;
use crate::followed::{self, Followed};
use crate::{Inbox, SampleHospital, until};
use mix::Mix;
use record::Record;
use room::Room;
use sending::Apps;
use watch::Watch;

pub use drawn::{page, plot};
pub use mix::Body;

/// The first and the last twelfth of the time are compared: five minutes of an hour.
const PARTS: f64 = 12.0;
/// The part of the measured rate that is sent if nobody says more.
const SHARE: f64 = 0.5;
/// The broker and PostgreSQL count what has just ended for a while.
const SETTLED: Duration = Duration::from_secs(60);

/// How long, how much, of what.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Minutes.
    pub minutes: f64,
    /// Submissions a second.
    pub rate: f64,
    /// What each is; without it [`Body::Usual`], if the disk has room for so many.
    pub body: Option<Body>,
}

impl Plan {
    fn seconds(&self) -> f64 {
        self.minutes * 60.0
    }

    fn submissions(&self) -> usize {
        (self.seconds() * self.rate) as usize
    }
}

/// Half of what the whole route stored a second in a recorded run of `./dev bench`.
pub fn usual_rate(measured: &Path) -> Result<f64> {
    let run = std::fs::read_to_string(measured)
        .with_context(|| format!("no --rate, and {} can't be read", measured.display()))?;
    let run: Value = serde_json::from_str(&run)?;
    let whole = run["rounds"]["whole"].as_array().context("a recorded run without the figure `whole`")?;
    let whole: Vec<f64> = whole.iter().filter_map(Value::as_f64).collect();
    Ok((median(&whole)? * SHARE).round())
}

/// Lives through it. An error: it could not be had; what came out wrong is in the record.
pub async fn run(plan: &Plan) -> Result<Record> {
    let total = plan.submissions();
    ensure!(total > 0, "nothing would be sent");
    let (inbox, hospital) = (Inbox::start().await?, SampleHospital::start().await?);
    let config = followed::config((mix::HOSPITAL, hospital.by_fhir()), &inbox, &mix::SITES);
    let ground = Ground::with(config).await?;
    let room = Room::of(&ground.link).await?;
    let mix = Mix::at(plan.rate, room.body(plan.body, total).await?);
    let (door, mut worker) = (ground.stack.api().await?, ground.stack.worker().await?);
    let apps = Apps::new(&ground, door.listen(), mix, total)?;
    let mut watch = Watch::new(&ground, &room, (&door, &worker), plan, &apps).await?;
    let seconds = send(plan, &apps, &mut watch).await?;
    let watched = watch.end()?;
    let (followed, outcome) = judge(&ground, &hospital, &inbox, apps).await?;
    let after = settled(&ground, watched.before).await?;
    ensure!(worker.runs(), "the worker has ended by itself:\n{}", worker.output());
    Ok(Record {
        head: recorded::head("soak", ground.machine().await?),
        rate: plan.rate,
        minutes: plan.minutes,
        body: mix.body.name().to_owned(),
        submissions: total,
        seconds,
        again: watched.again,
        account: outcome.as_ref().ok().cloned(),
        wrong: outcome.err().map(|error| format!("{error:#}")),
        followed,
        warm: watched.warm,
        last: watched.last,
        before: watched.before,
        after,
        database_mib: room.database(&ground.link).await? / f64::from(1 << 20),
        samples: watched.samples,
    })
}

/// Sends all of it and looks on meanwhile: how many seconds that took.
async fn send(plan: &Plan, apps: &Apps, watch: &mut Watch<'_>) -> Result<f64> {
    let total = plan.submissions();
    eprintln!("soak: {total} submissions at {:.0} a second, {:.0} minutes", plan.rate, plan.minutes);
    let (began, mut sending) = (Instant::now(), JoinSet::new());
    let (sender, rate) = (apps.clone(), plan.rate);
    sending.spawn(async move { sender.send(rate).await });
    loop {
        tokio::select! {
            done = sending.join_next() => match done {
                Some(done) => done??,
                None => return Ok(began.elapsed().as_secs_f64()),
            },
            () = sleep_until(began + watch.due()) => watch.look().await?,
        }
    }
}

/// What followed on, and whether everything that was answered 202 is stored, once the queue is empty.
async fn judge(
    ground: &Ground,
    hospital: &SampleHospital,
    inbox: &Inbox,
    apps: Apps,
) -> Result<(Followed, Result<Account>)> {
    eprintln!("soak: all is sent; judging, which takes minutes");
    let drained = until("the queue to be drained", Duration::from_secs(600), || async {
        Ok((ground.stack.vhost().ready(ROUTINE).await? == 0).then_some(()))
    });
    let drained = drained.await;
    let (followed, _) = apps.expected().judge(&ground.link, hospital, inbox).await?;
    let account = match drained {
        Ok(()) => streamed(&ground.stack, apps.kept()).await,
        Err(error) => Err(error),
    };
    Ok((followed, account))
}

/// What is in use when it is as before, or long afterwards.
async fn settled(ground: &Ground, before: InUse) -> Result<InUse> {
    let back = until("channels and sessions to be as before", SETTLED, || async {
        let now = InUse::by(&ground.stack).await?;
        Ok(now.is_back_at(before).then_some(now))
    });
    match back.await {
        Ok(now) => Ok(now),
        Err(_) => InUse::by(&ground.stack).await,
    }
}
