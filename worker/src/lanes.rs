//! Which lanes this process runs, and what each works with.

use std::sync::Arc;
use std::time::Duration;

use epro_broker::{BrokerUrl, Publisher, PublisherOptions, topology};
use epro_process::config::{Config, Lane as Kind, Problem};
use epro_process::health::Readiness;
use epro_process::objects::Objects;
use epro_process::shutdown::Shutdown;
use epro_schemas::instrument::Instruments;
use epro_store::conditions::Thresholds;
use epro_store::{DatabaseUrl, Store};
use secrecy::ExposeSecret as _;
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::alerts::Alerts;
use crate::alerts::channels::Channels;
use crate::alerts::due::{self, Due};
use crate::alerts::teller::Teller;
use crate::chains::Chains;
use crate::commands::Commands;
use crate::conditions::{self, Conditions, Queues};
use crate::exports::Requests;
use crate::exports::slots::{self, Desk};
use crate::hold::Hold;
use crate::hospitals::hospital::Office;
use crate::hospitals::lines::Lines;
use crate::hospitals::{self, Hospitals};
use crate::lane::{self, Lane, Work};
use crate::pauses::{self, Paused};
use crate::relay::{self, Relay};
use crate::risk::{Models, Risk};
use crate::standby::Standby;
use crate::submissions::Submissions;
use crate::submissions::places::Places;
use crate::submissions::route::{Keys, Route};

/// Dead letters of one class in a row, without a success between them, that make a lane pause itself.
const STREAK: u32 = 20;
/// Publishes outstanding at once: a chunk's follow-ons and parked messages.
const OUTSTANDING: usize = 512;
/// How long a publish may take by itself; lanes give bounds of their own.
const CONFIRM: Duration = Duration::from_secs(15);
/// How long the publisher may take to answer what is outstanding, at the very end.
const LAST_CONFIRMS: Duration = Duration::from_secs(3);
/// How often the relay looks for unsent follow-ons.
const RELAY: Duration = Duration::from_secs(2);

/// How long an acknowledgement waits for an alert that isn't there (yet).
const ACKNOWLEDGEMENT: Duration = Duration::from_secs(3600);
/// How often alerts are looked for that are due without a message.
const DUE: Duration = Duration::from_secs(1);
/// How often it is looked whether operators should know something.
const CONDITIONS: Duration = Duration::from_secs(10);
/// Connections of the lane that alerts, and of no other: whatever burns there, it waits for none of them.
const ALERT_CONNECTIONS: usize = 4;
/// Unacked alerts: each waits for a mail server and a gateway.
const ALERT_PREFETCH: u16 = 128;
/// Alerts that are told together, several times over: while one channel is dead each takes its timeout.
const ALERT_CHUNK: usize = 32;
/// Unacked questions for risk models.
const RISK_PREFETCH: u16 = 64;
/// Questions that are asked together: while a model is silent each takes its timeout.
const RISK_CHUNK: usize = 16;
/// Unacked requests for exports: each is a row, soon.
const EXPORT_PREFETCH: u16 = 16;
/// Requests that are written down one after the other.
const EXPORT_CHUNK: usize = 8;
/// How long a delivery rests in hand while its hospital isn't called; then it is parked.
const REST_IN_HAND: Duration = Duration::from_secs(300);

/// Where the two services are.
pub(crate) struct Outside {
    broker: BrokerUrl,
    database: DatabaseUrl,
}

impl Outside {
    /// Reads both addresses, with every problem at once.
    pub(crate) fn from(config: &Config) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let broker = config.broker.url.expose_secret().parse::<BrokerUrl>();
        let broker = broker.map_err(|error| problems.push(Problem::new("broker.url", error.to_string())));
        let database = config.postgres.url.expose_secret().parse::<DatabaseUrl>();
        let database =
            database.map_err(|error| problems.push(Problem::new("postgres.url", error.to_string())));
        match (broker, database) {
            (Ok(broker), Ok(database)) => {
                Ok(Self { broker: broker.with_frame_max(config.broker.frame_max), database })
            }
            _ => Err(problems),
        }
    }
}

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
    let (say, paused) = watch::channel(None);
    epro_process::task::spawn("pauses", pauses::watch(store.clone(), say, shutdown.clone()));

    let Equipment { keys, instruments, hospitals, models, channels, objects } = equipment;
    let places = Places::new(&config);
    let late_after = config.intake.late_after;
    let route = Arc::new(Route { keys, instruments, places, late_after });
    let (leaving, drain) = (shutdown.clone(), config.worker.drain);
    let lanes = Lanes { config, outside, store, publisher, route, paused, shutdown, readiness };
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
        () = all_left(&mut running, publishing) => true,
        () = out_of_time(&leaving, drain) => {
            tracing::warn!(lanes = running.len(), "leaving with lanes that did not end in time");
            false
        }
    }
}

async fn all_left(running: &mut JoinSet<()>, publishing: tokio::task::JoinHandle<()>) {
    while let Some(left) = running.join_next().await {
        if left.is_err() {
            // A lane that is gone silently would look like a quiet evening.
            tracing::error!("a lane has panicked; exiting");
            std::process::exit(70);
        }
    }
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
    paused: watch::Receiver<Option<Paused>>,
    shutdown: Shutdown,
    readiness: Readiness,
}

impl Lanes {
    fn submissions(&self, running: &mut JoinSet<()>) {
        let worker = &self.config.worker;
        for (name, queue, urgent) in [
            ("submissions.urgent", topology::SUBMISSIONS_URGENT, true),
            ("submissions.routine", topology::SUBMISSIONS_ROUTINE, false),
            ("submissions.deferred", topology::SUBMISSIONS_DEFERRED, false),
        ] {
            let prefetch = if urgent { worker.urgent_prefetch } else { worker.prefetch };
            let linger = if urgent { Duration::ZERO } else { worker.linger };
            // The urgent queue never pauses itself: an answer behind the broken ones may be dangerous.
            let streak = (!urgent).then_some(STREAK);
            let lane = Lane { name, queue: queue.into(), prefetch, chunk: worker.chunk, linger, streak };
            let work = Submissions { streak, ..self.work(name, urgent, false) };
            self.start(running, lane, work, urgent);
        }
    }

    fn dead(&self, running: &mut JoinSet<()>) {
        let lane = self.lane("dead", topology::DEAD);
        let work = self.work("dead", false, true);
        self.start(running, lane, work, false);
    }

    fn commands(&self, running: &mut JoinSet<()>) {
        let lane = self.lane("commands", topology::COMMANDS);
        let work = Commands {
            store: self.store.clone(),
            publisher: self.publisher.clone(),
            hold: self.hold(),
            chains: Chains::new("epro-worker/commands"),
            route: Arc::clone(&self.route),
            wait_budget: self.config.scaled(ACKNOWLEDGEMENT),
        };
        self.start(running, lane, work, false);
    }

    fn alerts(&self, channels: Channels, running: &mut JoinSet<()>) {
        let store = Store::open(&self.outside.database, ALERT_CONNECTIONS);
        let teller = Arc::new(Teller::new(&self.config, channels, store));
        let lane = Lane {
            name: "alerts",
            queue: topology::ALERTS.into(),
            prefetch: ALERT_PREFETCH,
            chunk: ALERT_CHUNK,
            linger: Duration::ZERO,
            streak: None,
        };
        let work = Alerts {
            teller: Arc::clone(&teller),
            publisher: self.publisher.clone(),
            hold: self.hold(),
            chains: Chains::new("epro-worker/alerts"),
            route: Arc::clone(&self.route),
            shutdown: self.shutdown.clone(),
        };
        self.start(running, lane, work, true);
        let system = self.config.alerts.system;
        running.spawn(conditions::run(Conditions {
            store: teller.store.clone(),
            teller: Arc::clone(&teller),
            queues: Queues::new(self.outside.broker.clone(), &self.config.worker.lanes),
            shutdown: self.shutdown.clone(),
            every: self.config.scaled(CONDITIONS).clamp(Duration::from_millis(200), CONDITIONS),
            patience: self.config.scaled(system.patience),
            thresholds: Thresholds {
                window: self.config.scaled(system.window),
                dead_letters: system.dead_letters,
                oldest_alert: self.config.scaled(system.oldest_alert),
                oldest_submission: self.config.scaled(system.oldest_submission),
                oldest_delivery: self.config.scaled(system.oldest_delivery),
            },
        }));
        running.spawn(due::run(Due {
            teller,
            shutdown: self.shutdown.clone(),
            paused: self.paused.clone(),
            every: self.config.scaled(DUE).clamp(Duration::from_millis(50), DUE),
            sites: self.config.sites.keys().cloned().collect(),
        }));
    }

    fn risk(&self, running: &mut JoinSet<()>, models: Models) {
        let lane = Lane {
            name: "risk",
            queue: topology::RISK.into(),
            prefetch: RISK_PREFETCH,
            chunk: RISK_CHUNK,
            linger: Duration::ZERO,
            streak: None,
        };
        let work = Risk {
            models,
            store: self.store.clone(),
            publisher: self.publisher.clone(),
            hold: self.hold(),
            chains: Chains::new("epro-worker/risk"),
            route: Arc::clone(&self.route),
            wait_budget: self.config.scaled(self.config.worker.wait_budget),
        };
        self.start(running, lane, work, false);
    }

    fn exports(&self, running: &mut JoinSet<()>, objects: Objects) {
        let exports = &self.config.exports;
        let lane = Lane {
            name: "exports",
            queue: topology::EXPORTS.into(),
            prefetch: EXPORT_PREFETCH,
            chunk: EXPORT_CHUNK,
            linger: Duration::ZERO,
            streak: None,
        };
        let work = Requests {
            store: self.store.clone(),
            publisher: self.publisher.clone(),
            hold: self.hold(),
            chains: Chains::new("epro-worker/exports"),
            route: Arc::clone(&self.route),
        };
        self.start(running, lane, work, false);
        let (rest_unit, sweep) = Desk::paces(|duration| self.config.scaled(duration));
        let desk = Desk {
            // For each slot a page that is fetched and a word about how far it is.
            store: Store::open(&self.outside.database, 2 * exports.slots as usize),
            leases: Store::open(&self.outside.database, 1),
            objects,
            chains: Chains::new("epro-worker/export slots"),
            route: Arc::clone(&self.route),
            canonical: self.config.canonical.clone(),
            shutdown: self.shutdown.clone(),
            owner: Uuid::now_v7(),
            slots: exports.slots,
            file_size: exports.file_size,
            keep: self.config.scaled(exports.keep),
            rest_unit,
            sweep,
        };
        running.spawn(slots::run(Arc::new(desk), self.readiness.part("export slots")));
    }

    fn relay(&self, running: &mut JoinSet<()>) {
        running.spawn(relay::run(Relay {
            store: self.store.clone(),
            publisher: self.publisher.clone(),
            shutdown: self.shutdown.clone(),
            part: self.readiness.part("relay"),
            every: self.config.scaled(RELAY),
        }));
    }

    fn hospitals(&self, running: &mut JoinSet<()>, hospitals: Hospitals) {
        let office = Office {
            store: self.store.clone(),
            leases: Store::open(&self.outside.database, 1),
            publisher: self.publisher.clone(),
            route: Arc::clone(&self.route),
            lines: Lines::new(self.outside.broker.clone()),
            chains: Chains::new("epro-worker/hospitals"),
            hold: self.hold(),
            paused: self.paused.clone(),
            shutdown: self.shutdown.clone(),
            owner: Uuid::now_v7(),
            rest_in_hand: self.config.scaled(REST_IN_HAND),
            wait_budget: self.config.scaled(self.config.worker.wait_budget),
            streak: STREAK,
            drain: self.config.worker.drain,
            time_scale: self.config.time_scale,
            keep_reports: self.config.scaled(self.config.reports.keep),
            pages: self.config.reports.pages,
        };
        tracing::info!(owner = %office.owner, hospitals = hospitals.len(), "lane hospitals begins");
        running.spawn(hospitals::run(Arc::new(office), hospitals, self.readiness.part(hospitals::NAME)));
    }

    /// A lane whose every message is a dead letter or a command: none of them makes it pause itself.
    fn lane(&self, name: &'static str, queue: &str) -> Lane {
        let worker = &self.config.worker;
        let (prefetch, linger) = (worker.prefetch, worker.linger);
        Lane { name, queue: queue.into(), prefetch, chunk: worker.chunk, linger, streak: None }
    }

    fn work(&self, lane: &'static str, urgent: bool, terminal: bool) -> Submissions {
        Submissions {
            lane,
            urgent,
            terminal,
            route: Arc::clone(&self.route),
            store: self.store.clone(),
            publisher: self.publisher.clone(),
            hold: self.hold(),
            chains: Chains::new(&format!("epro-worker/{lane}")),
            wait_budget: self.config.scaled(self.config.worker.wait_budget),
            streak: None,
        }
    }

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
