//! Which lanes this process runs, and what each works with.

mod alerts;
mod exports;
mod hospitals;
mod outside;
mod risk;
mod submissions;

use std::sync::Arc;
use std::time::Duration;

use epro_broker::{Publisher, PublisherOptions};
use epro_process::config::{Config, Lane as Kind};
use epro_process::health::Readiness;
use epro_process::objects::Objects;
use epro_process::shutdown::Shutdown;
use epro_process::telemetry::Metrics;
use epro_schemas::instrument::Instruments;
use epro_store::Store;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::alerts::channels::Channels;
use crate::hold::Hold;
use crate::hospitals::Hospitals;
use crate::lane::{self, Lane, Work};
use crate::pauses::{self, Paused};
use crate::risk::Models;
use crate::standby::Standby;
use crate::starts::Starts;
use crate::submissions::places::Places;
use crate::submissions::route::{Keys, Route};
pub(crate) use outside::Outside;

/// Dead letters of one class in a row, without a success between them, that make a lane pause itself.
const STREAK: u32 = 20;
/// Publishes outstanding at once: a chunk's follow-ons and parked messages.
const OUTSTANDING: usize = 512;
/// How long a publish may take by itself; lanes give bounds of their own.
const CONFIRM: Duration = Duration::from_secs(15);
/// How long the publisher may take to answer what is outstanding, at the very end.
const LAST_CONFIRMS: Duration = Duration::from_secs(3);

/// What the lanes work with, made of files that the configuration names.
pub(crate) struct Equipment {
    /// To open envelopes and make pseudonyms.
    pub keys: Keys,
    /// What can be scored.
    pub instruments: Instruments,
    /// Whom lane `hospitals` calls.
    pub hospitals: Hospitals,
    /// Whom lane `risk` asks.
    pub models: Models,
    /// Through which lane `alerts` tells people.
    pub channels: Channels,
    /// Where the files of exports are.
    pub objects: Objects,
}

/// Runs the configured lanes until the process drains. Whether every lane has left in order by then:
/// what a lane leaves undone after its time is handed out again by the broker.
pub(crate) async fn run(
    config: Config,
    equipment: Equipment,
    outside: Outside,
    metrics: Metrics,
    shutdown: Shutdown,
    readiness: Readiness,
) -> bool {
    let store =
        Store::open(&outside.database, usize::try_from(config.postgres.pool_size).unwrap_or(usize::MAX));
    let (publisher, publishing) = Publisher::start(PublisherOptions {
        url: outside.broker.clone(),
        name: "epro-worker publisher".into(),
        outstanding: OUTSTANDING,
        confirm_timeout: CONFIRM,
    });
    let publishing = epro_process::task::spawn("publisher", publishing);
    metrics.at_each_look(publisher.gauges());
    metrics.at_each_look(store.gauges("worker"));
    let (say, paused) = watch::channel(None);
    epro_process::task::spawn("pauses", pauses::watch(store.clone(), say, shutdown.clone()));

    let starts = Starts::new(store.clone());
    epro_process::task::spawn("starts", starts.clone().keep_paying());

    let Equipment { keys, instruments, hospitals, models, channels, objects } = equipment;
    let places = Places::new(&config);
    let late_after = config.intake.late_after;
    let route = Arc::new(Route { keys, instruments, places, late_after });
    let (leaving, drain) = (shutdown.clone(), config.worker.drain);
    let lanes = Lanes {
        config,
        outside,
        store,
        publisher,
        route,
        starts: starts.clone(),
        paused,
        metrics,
        shutdown,
        readiness,
    };
    let mut running = JoinSet::new();
    let mut channels = Some(channels);
    let mut hospitals = Some(hospitals);
    let mut models = Some(models);
    for kind in &lanes.config.worker.lanes {
        match kind {
            Kind::Submissions => lanes.submissions(&mut running),
            Kind::Dead => lanes.dead(&mut running),
            Kind::Commands => lanes.commands(&mut running),
            Kind::Relay => lanes.relay(&mut running),
            Kind::Alerts => {
                if let Some(channels) = channels.take() {
                    lanes.alerts(channels, &mut running);
                }
            }
            Kind::Exports => lanes.exports(&mut running, objects.clone()),
            Kind::Risk => lanes.risk(&mut running, models.take().unwrap_or_default()),
            Kind::Hospitals => lanes.hospitals(&mut running, hospitals.take().unwrap_or_default()),
        }
    }
    drop(lanes);
    tokio::select! {
        () = all_left(&mut running, publishing, &starts) => true,
        () = out_of_time(&leaving, drain) => {
            tracing::warn!(lanes = running.len(), "leaving with lanes that did not end in time");
            false
        }
    }
}

async fn all_left(running: &mut JoinSet<()>, publishing: tokio::task::JoinHandle<()>, starts: &Starts) {
    while let Some(left) = running.join_next().await {
        if left.is_err() {
            // A lane that is gone silently would look like a quiet evening.
            tracing::error!("a lane has panicked; exiting");
            std::process::exit(70);
        }
    }
    starts.last_word().await;
    // Every handle of the publisher is dropped: it ends when everything outstanding is answered.
    if tokio::time::timeout(LAST_CONFIRMS, publishing).await.is_err() {
        tracing::warn!("the publisher did not end in time");
    }
}

/// Whatever still waits for an answer when the time for leaving is over: the process has to go.
async fn out_of_time(leaving: &Shutdown, drain: Duration) {
    leaving.requested().await;
    tokio::time::sleep(drain).await;
}

struct Lanes {
    config: Config,
    outside: Outside,
    store: Store,
    publisher: Publisher,
    route: Arc<Route>,
    starts: Starts,
    paused: watch::Receiver<Option<Paused>>,
    metrics: Metrics,
    shutdown: Shutdown,
    readiness: Readiness,
}

impl Lanes {
    fn hold(&self) -> Hold {
        Hold {
            at_most: self.config.scaled(self.config.worker.hold),
            a_try: None,
            shutdown: self.shutdown.clone(),
        }
    }

    fn start(&self, running: &mut JoinSet<()>, lane: Lane, work: impl Work, without_store: bool) {
        let standby = Standby {
            shutdown: self.shutdown.clone(),
            drain: self.config.worker.drain,
            paused: self.paused.clone(),
            store: self.store.clone(),
            url: self.outside.broker.clone(),
            part: self.readiness.part(lane.name),
            without_store,
        };
        running.spawn(lane::run(lane, Arc::new(work), standby));
    }
}
