//! Many hospitals on one machine, one worker: how long until all are its own, and what they cost.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

use super::callers::Callers;
use super::finding::{Bound, Finding};
use crate::stack::{Plan, Stack};
use crate::{SampleHospital, Service, until};

const HOSPITALS: usize = 400;
/// The sample's own ones.
const OWN: [&str; 3] = ["H001", "H002", "H003"];
/// How long nothing happens.
const IDLE: Duration = Duration::from_secs(30);
/// How long anything here may take.
const BOUND: Duration = Duration::from_secs(120);
/// Leases that somebody holds.
const HELD: &str = "SELECT count(*) FROM ops.lease WHERE kind = 'hospital' AND until > clock_timestamp()";

/// A stack with so many hospitals beside the sample's own, and somebody who stores.
pub(crate) struct Field {
    // In the order in which they go: the one who stores before what it stores in.
    _storing: Service,
    callers: Callers,
    _hospital: SampleHospital,
    names: Vec<String>,
    /// Deliveries that are done.
    delivered: usize,
    /// Seconds that migration and topology took.
    prepared: f64,
}

/// What they cost a worker that calls them; seconds, but for the last two.
pub(crate) struct Cost {
    /// Until it was ready.
    pub(crate) ready: f64,
    /// Until all hospitals were its own.
    pub(crate) owned: f64,
    /// Until each had a submission.
    pub(crate) delivered: f64,
    /// Per cent of a core while nothing happened.
    pub(crate) idle: f64,
    /// Peak resident memory, MiB.
    pub(crate) peak: f64,
}

/// Lives through it; takes about two minutes.
pub async fn live() -> Result<Vec<Finding>> {
    let mut field = Field::with(HOSPITALS).await?;
    let cost = field.cost(IDLE).await?;
    let dead = field.callers.dead().await?;
    Ok(vec![
        Finding::new("400 hospitals: migration and topology, s", field.prepared, Bound::Any),
        Finding::new("400 hospitals: worker ready, s", cost.ready, Bound::Any),
        Finding::new("400 hospitals: all of them consumed, s", cost.owned, Bound::AtMost(30.0)),
        Finding::new("400 hospitals: idle worker, % of a core", cost.idle, Bound::AtMost(10.0)),
        Finding::new("400 hospitals: one submission to each, s", cost.delivered, Bound::Any),
        Finding::new("400 hospitals: worker's peak memory, MiB", cost.peak, Bound::AtMost(128.0)),
        Finding::new("400 hospitals: dead letters", dead, Bound::Is(0.0)),
    ])
}

impl Field {
    pub(crate) async fn with(hospitals: usize) -> Result<Self> {
        let hospital = SampleHospital::start().await?;
        let names: Vec<String> = (0..hospitals).map(|number| format!("M{number:03}")).collect();
        let all =
            |entry: Value| names.iter().map(|name| (name.clone(), entry.clone())).collect::<Map<_, _>>();
        let mut entries = all(hospital.by_fhir());
        // The sample's own ones have no address; nobody is to look for them.
        for own in OWN {
            entries.insert(own.to_owned(), hospital.by_fhir());
        }
        let config = json!({"sites": all(json!({})), "hospitals": entries});
        let begun = Instant::now();
        let stack = Stack::with(Plan { config, ..Plan::default() }).await?;
        let prepared = begun.elapsed().as_secs_f64();
        let storing = stack.worker().await?;
        let callers = Callers::on(stack).await?;
        Ok(Self { _storing: storing, callers, _hospital: hospital, names, delivered: 0, prepared })
    }

    /// What they cost a fresh worker, which has left again afterwards.
    pub(crate) async fn cost(&mut self, idle: Duration) -> Result<Cost> {
        let begun = Instant::now();
        self.callers.add().await?;
        let ready = begun.elapsed().as_secs_f64();
        self.counts("all hospitals to be owned", HELD, self.names.len() + OWN.len()).await?;
        let owned = begun.elapsed().as_secs_f64();
        let before = self.callers.running[0].cpu_seconds()?;
        sleep(idle).await;
        let used = (self.callers.running[0].cpu_seconds()? - before) / idle.as_secs_f64();
        for name in &self.names {
            self.callers.send(name, 1).await?;
        }
        let begun = Instant::now();
        self.delivered += self.names.len();
        let done = "SELECT count(*) FROM ops.delivery WHERE state = 'done'";
        self.counts("each hospital to have its submission", done, self.delivered).await?;
        let delivered = begun.elapsed().as_secs_f64();
        let mut worker = self.callers.running.remove(0);
        let peak = worker.peak_rss_mib()?;
        worker.drain(BOUND).await?;
        // Whoever comes next must not be taken for the owner of what this one held.
        self.counts("all leases to be given back", HELD, 0).await?;
        Ok(Cost { ready, owned, delivered, idle: used * 100.0, peak })
    }

    async fn counts(&self, what: &str, sql: &str, wanted: usize) -> Result<()> {
        until(what, BOUND, || async {
            Ok((self.callers.link.count(sql).await? == wanted as i64).then_some(()))
        })
        .await
    }
}
