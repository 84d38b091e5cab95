//! A look at everything every ten seconds, and what was resident at most in the first part and in the last.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::mix::HOSPITAL;
use super::record::{Memory, Sample};
use super::room::Room;
use super::sending::Apps;
use super::{PARTS, Plan};
use crate::bench::ground::Ground;
use crate::bench::measure::percentile;
use crate::bench::spent;
use crate::faults::in_use::InUse;
use crate::scaling::fleet::depths;
use crate::service::Service;

/// How often; more often where a part is shorter.
const EVERY: Duration = Duration::from_secs(10);

/// Who looks, and what was seen so far.
pub(super) struct Watch<'a> {
    ground: &'a Ground,
    room: &'a Room,
    door: &'a Service,
    worker: &'a Service,
    apps: &'a Apps,
    plan: Plan,
    /// Bytes of the database before the first submission.
    empty: f64,
    every: Duration,
    looks: u32,
    before: InUse,
    warm: Option<Memory>,
    is_last: bool,
    samples: Vec<Sample>,
}

/// What was seen.
pub(super) struct Watched {
    /// The most of each in the first part.
    pub(super) before: InUse,
    /// Peaks of the first part, and of the last.
    pub(super) warm: Memory,
    pub(super) last: Memory,
    pub(super) again: usize,
    pub(super) samples: Vec<Sample>,
}

impl<'a> Watch<'a> {
    pub(super) async fn new(
        ground: &'a Ground,
        room: &'a Room,
        (door, worker): (&'a Service, &'a Service),
        plan: &Plan,
        apps: &'a Apps,
    ) -> Result<Self> {
        Ok(Self {
            ground,
            room,
            door,
            worker,
            apps,
            plan: *plan,
            empty: room.database(&ground.link).await?,
            every: EVERY.min(Duration::from_secs_f64(plan.seconds() / PARTS)),
            looks: 0,
            before: InUse::default(),
            warm: None,
            is_last: false,
            samples: Vec::new(),
        })
    }

    /// When to look next, from the beginning.
    pub(super) fn due(&self) -> Duration {
        self.every * (self.looks + 1)
    }

    pub(super) async fn look(&mut self) -> Result<()> {
        let at = self.due().as_secs_f64();
        let (seconds, part) = (self.plan.seconds(), self.plan.seconds() / PARTS);
        self.looks += 1;
        let sample = self.sample(at).await?;
        self.samples.push(sample);
        if self.warm.is_none() {
            self.before = self.before.or_more(InUse::by(&self.ground.stack).await?);
            if at >= part {
                self.warm = Some(self.peak()?);
                self.rest_has_room().await?;
            }
        }
        if !self.is_last && at >= seconds - part {
            // As long as the first part: as many moments can be the peak.
            self.door.forget_peak_rss()?;
            self.worker.forget_peak_rss()?;
            self.is_last = true;
        }
        Ok(())
    }

    /// All is sent.
    pub(super) fn end(self) -> Result<Watched> {
        let last = self.peak()?;
        let warm = self.warm.unwrap_or(last);
        Ok(Watched { before: self.before, warm, last, again: self.apps.again(), samples: self.samples })
    }

    async fn sample(&self, at: f64) -> Result<Sample> {
        let depth = depths(&self.ground.stack).await.ok();
        let hospital = self.ground.stack.vhost().messages(&format!("epro.his.{HOSPITAL}")).await.ok();
        // Where the services are elsewhere nobody knows.
        let spent = spent::so_far(self.ground).await.ok();
        Ok(Sample {
            at,
            taken: self.apps.taken(),
            p99_ms: percentile(&mut self.apps.latencies(), 0.99).ok(),
            depth: depth.map(|depths| depths.iter().sum()),
            hospital: hospital.map(|waiting| waiting as f64),
            door: self.door.rss_mib()?,
            worker: self.worker.rss_mib()?,
            rabbitmq_cpu: spent.as_ref().map(|spent| spent.rabbitmq),
            postgres_cpu: spent.as_ref().map(|spent| spent.postgres),
        })
    }

    fn peak(&self) -> Result<Memory> {
        Ok(Memory { door: self.door.peak_rss_mib()?, worker: self.worker.peak_rss_mib()? })
    }

    /// By what was really stored so far: nobody's disk is filled for a soak.
    async fn rest_has_room(&self) -> Result<()> {
        let taken = self.apps.taken().max(1);
        let each = (self.room.database(&self.ground.link).await? - self.empty) / taken as f64;
        let left = self.plan.submissions().saturating_sub(taken);
        let held = self.room.holds(each * left as f64).await;
        held.with_context(|| format!("{each:.0} bytes are stored for each"))
    }
}
