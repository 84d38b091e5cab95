//! What tells people.

use std::sync::Arc;
use std::time::Duration;

use epro_broker::topology;
use epro_process::config::ALERT_CONNECTIONS;
use epro_store::Store;
use epro_store::conditions::Thresholds;
use tokio::task::JoinSet;

use super::Lanes;
use crate::alerts::Alerts;
use crate::alerts::channels::Channels;
use crate::alerts::due::{self, Due};
use crate::alerts::teller::Teller;
use crate::chains::Chains;
use crate::conditions::{self, Conditions, Queues};
use crate::lane::Lane;

/// How often alerts are looked for that are due without a message.
const DUE: Duration = Duration::from_secs(1);
/// How often it is looked whether operators should know something.
const CONDITIONS: Duration = Duration::from_secs(10);
/// Unacked alerts: each waits for a mail server and a gateway.
const ALERT_PREFETCH: u16 = 128;
/// Alerts that are told together, several times over: while one channel is dead each takes its timeout.
const ALERT_CHUNK: usize = 32;

impl Lanes {
    pub(super) fn alerts(&self, channels: Channels, running: &mut JoinSet<()>) {
        let store = Store::open(&self.outside.database, ALERT_CONNECTIONS as usize);
        self.metrics.at_each_look(store.gauges("alerts"));
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
            wait_budget: self.config.scaled(self.config.worker.wait_budget),
        };
        self.start(running, lane, work, true);
        let system = self.config.alerts.system;
        running.spawn(conditions::run(Conditions {
            store: teller.store.clone(),
            teller: Arc::clone(&teller),
            queues: Queues::new(
                self.outside.broker.clone(),
                &self.config.worker.lanes,
                self.config.hospitals.keys(),
            ),
            shutdown: self.shutdown.clone(),
            every: self.config.scaled(CONDITIONS).clamp(Duration::from_millis(200), CONDITIONS),
            patience: self.config.scaled(system.patience),
            thresholds: Thresholds {
                window: self.config.scaled(system.window),
                dead_letters: system.dead_letters,
                oldest_alert: self.config.scaled(system.oldest_alert),
                oldest_submission: self.config.scaled(system.oldest_submission),
                oldest_delivery: self.config.scaled(system.oldest_delivery),
                oldest_anchor: self.config.scaled(system.oldest_anchor),
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
}
