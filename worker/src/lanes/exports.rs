//! What makes exports.

use std::sync::Arc;
use std::time::Duration;

use epro_broker::topology;
use epro_process::config::CONNECTIONS_A_SLOT;
use epro_process::objects::Objects;
use epro_store::Store;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::Lanes;
use crate::chains::Chains;
use crate::exports::Requests;
use crate::exports::slots::{self, Desk};
use crate::lane::Lane;

/// Unacked requests for exports: each is a row, soon.
const EXPORT_PREFETCH: u16 = 16;
/// Requests that are written down one after the other.
const EXPORT_CHUNK: usize = 8;

impl Lanes {
    pub(super) fn exports(&self, running: &mut JoinSet<()>, objects: Objects) {
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
            starts: self.starts.clone(),
            route: Arc::clone(&self.route),
            wait_budget: self.config.scaled(self.config.worker.wait_budget),
        };
        self.start(running, lane, work, false);
        let (rest_unit, sweep) = Desk::paces(|duration| self.config.scaled(duration));
        let connections = (CONNECTIONS_A_SLOT * exports.slots) as usize;
        let store = Store::open(&self.outside.database, connections);
        self.metrics.at_each_look(store.gauges("exports"));
        let desk = Desk {
            store,
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
}
