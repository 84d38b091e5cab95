//! What calls hospitals.

use std::sync::Arc;
use std::time::Duration;

use epro_store::Store;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{Lanes, STREAK};
use crate::chains::Chains;
use crate::hospitals::hospital::Office;
use crate::hospitals::lines::Lines;
use crate::hospitals::{self, Hospitals};

/// How long a delivery rests in hand while its hospital isn't called; then it is parked.
const REST_IN_HAND: Duration = Duration::from_secs(300);

impl Lanes {
    pub(super) fn hospitals(&self, running: &mut JoinSet<()>, hospitals: Hospitals) {
        let office = Office {
            store: self.store.clone(),
            leases: Store::open(&self.outside.database, 1),
            publisher: self.publisher.clone(),
            route: Arc::clone(&self.route),
            lines: Lines::new(self.outside.broker.clone()),
            chains: Chains::new("epro-worker/hospitals"),
            starts: self.starts.clone(),
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
}
