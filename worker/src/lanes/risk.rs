//! What asks the studies' risk models.

use std::sync::Arc;
use std::time::Duration;

use epro_broker::topology;
use tokio::task::JoinSet;

use super::Lanes;
use crate::chains::Chains;
use crate::lane::Lane;
use crate::risk::{Models, Risk};

/// Unacked questions for risk models.
const RISK_PREFETCH: u16 = 64;
/// Questions that are asked together: while a model is silent each takes its timeout.
const RISK_CHUNK: usize = 16;

impl Lanes {
    pub(super) fn risk(&self, running: &mut JoinSet<()>, models: Models) {
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
            starts: self.starts.clone(),
            route: Arc::clone(&self.route),
            wait_budget: self.config.scaled(self.config.worker.wait_budget),
        };
        self.start(running, lane, work, false);
    }
}
