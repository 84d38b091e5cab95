//! The open load: apps that send at a steady rate, whatever became of what they sent before, as the six patients don't.
//!
//! All of it is of the site without a hospital, so that it meets no pace but ours. It comes through every door that
//! there is: one by one, in batches and in FHIR's words; some of it is amended.

mod parcel;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::dice::Dice;
use super::patients::{Accepted, BOUND, PATIENCE, too_late};
use crate::client::Client;
use parcel::{A_BEAT, Parcel, SITE};

/// Beats a second, each with as many submissions.
const BEATS: usize = 10;
/// Submissions a second. Two processors, which run RabbitMQ, PostgreSQL and everything else too, have most of their
/// time left beside it.
pub(super) const RATE: f64 = (A_BEAT * BEATS) as f64;
/// Most requests that apps have under way or wait to send again: more than twice a door's `intake.outstanding`, so that
/// the windows of both doors are full when RabbitMQ stands still, and less than one door's `intake.connections`.
const APPS: usize = 400;
/// How long an app waits before it sends the same again.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

/// Apps at work.
pub(super) struct Load {
    beats: JoinSet<Result<Vec<Accepted>>>,
    going: watch::Sender<bool>,
    taken: Arc<AtomicUsize>,
}

impl Load {
    /// Sends to whichever of the doors chance says.
    pub(super) fn begin(client: &Client, doors: &[String; 2], seed: u64) -> Result<Self> {
        let (going, taken) = (watch::Sender::new(true), Arc::<AtomicUsize>::default());
        let app = App {
            client: client.giving_up_after(PATIENCE)?,
            doors: doors.clone(),
            going: going.subscribe(),
            taken: Arc::clone(&taken),
            dice: Dice::new(seed),
        };
        let mut beats = JoinSet::new();
        beats.spawn(beat(app, seed));
        Ok(Self { beats, going, taken })
    }

    /// How many submissions were taken so far.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// What is on its way is sent until it is taken, nothing else.
    pub(super) async fn end(mut self) -> Result<Vec<Accepted>> {
        self.going.send_replace(false);
        let mut accepted = Vec::new();
        while let Some(all) = self.beats.join_next().await {
            accepted.append(&mut all??);
        }
        Ok(accepted)
    }
}

/// A parcel begins its way when its time is. Where all apps are busy it is left out, and nobody makes up for it.
async fn beat(app: App, seed: u64) -> Result<Vec<Accepted>> {
    let (mut sending, mut accepted) = (JoinSet::<Result<Vec<Accepted>>>::new(), Vec::new());
    let (mut beats, mut begun) = (0, 0_u64);
    let mut beat = interval(Duration::from_secs(1) / BEATS as u32);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while *app.going.borrow() {
        tokio::select! {
            _ = beat.tick() => {
                for parcel in parcel::of_a_beat(beats) {
                    if sending.len() < APPS {
                        begun += 1;
                        let dice = Dice::new(seed.wrapping_add(begun));
                        let app = App { dice, ..app.clone() };
                        sending.spawn(app.brings(parcel));
                    }
                }
                beats += 1;
            }
            Some(taken) = sending.join_next() => accepted.append(&mut taken??),
        }
    }
    while let Some(taken) = sending.join_next().await {
        accepted.append(&mut taken??);
    }
    Ok(accepted)
}

/// One that sends again, with a new `sent_at`, until it is told that all of it was taken.
#[derive(Clone)]
struct App {
    client: Client,
    doors: [String; 2],
    going: watch::Receiver<bool>,
    taken: Arc<AtomicUsize>,
    dice: Dice,
}

impl App {
    async fn brings(mut self, parcel: Parcel) -> Result<Vec<Accepted>> {
        let going = self.going.clone();
        tokio::select! {
            taken = self.until_taken(parcel) => taken,
            () = too_late(going) => bail!("an app was never told 202, {BOUND:?} after the last fault"),
        }
    }

    async fn until_taken(&mut self, mut parcel: Parcel) -> Result<Vec<Accepted>> {
        let mut accepted = Vec::new();
        loop {
            let door = self.dice.below(self.doors.len());
            let taken = parcel.send(&self.client.at(&self.doors[door])).await?;
            self.taken.fetch_add(taken.len(), Ordering::Relaxed);
            accepted.extend(taken.into_iter().map(|letter| Accepted {
                id: letter.id,
                subject: letter.subject,
                site: SITE,
                dangerous: false,
            }));
            if parcel.is_empty() {
                return Ok(accepted);
            }
            sleep(PAUSE).await;
        }
    }
}
