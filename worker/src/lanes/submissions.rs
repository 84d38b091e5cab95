//! What takes submissions, commands, and what the broker gave up on; and the relay of their follow-ons.

use std::sync::Arc;
use std::time::Duration;

use epro_broker::topology;
use tokio::task::JoinSet;

use super::{Lanes, STREAK};
use crate::chains::Chains;
use crate::commands::Commands;
use crate::lane::Lane;
use crate::relay::{self, Relay};
use crate::submissions::Submissions;

/// How often the relay looks for unsent follow-ons.
const RELAY: Duration = Duration::from_secs(2);
/// How long an acknowledgement waits for an alert that isn't there (yet).
const ACKNOWLEDGEMENT: Duration = Duration::from_secs(3600);

impl Lanes {
    pub(super) fn submissions(&self, running: &mut JoinSet<()>) {
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

    pub(super) fn dead(&self, running: &mut JoinSet<()>) {
        let lane = self.lane("dead", topology::DEAD);
        let work = self.work("dead", false, true);
        self.start(running, lane, work, false);
    }

    pub(super) fn commands(&self, running: &mut JoinSet<()>) {
        let lane = self.lane("commands", topology::COMMANDS);
        let work = Commands {
            store: self.store.clone(),
            publisher: self.publisher.clone(),
            hold: self.hold(),
            chains: Chains::new("epro-worker/commands"),
            starts: self.starts.clone(),
            route: Arc::clone(&self.route),
            wait_budget: self.config.scaled(ACKNOWLEDGEMENT),
            key_budget: self.config.scaled(self.config.worker.wait_budget),
        };
        self.start(running, lane, work, false);
    }

    pub(super) fn relay(&self, running: &mut JoinSet<()>) {
        running.spawn(relay::run(Relay {
            store: self.store.clone(),
            publisher: self.publisher.clone(),
            ring: Arc::clone(&self.route.keys.seal),
            shutdown: self.shutdown.clone(),
            part: self.readiness.part("relay"),
            every: self.config.scaled(RELAY),
        }));
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
            starts: self.starts.clone(),
            wait_budget: self.config.scaled(self.config.worker.wait_budget),
            streak: None,
        }
    }
}
