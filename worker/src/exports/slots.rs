//! Which slots this replica holds, by lease: as many exports run at a time over all replicas, and no more.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use epro_process::health::Part;
use epro_process::objects::Objects;
use epro_process::shutdown::Shutdown;
use epro_store::Store;
use epro_store::exports::LEASES;
use epro_store::lease::{Lease, LeaseRound};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use super::job;
use crate::chains::Chains;
use crate::submissions::route::Route;

/// Between two rounds.
const ROUND: Duration = Duration::from_secs(1);
/// How long a lease lasts without being renewed.
const TTL: Duration = Duration::from_secs(6);
/// How long PostgreSQL may take for a round.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is looked for files whose time is over.
const SWEEP: Duration = Duration::from_secs(60);

/// What exports are made with.
pub(crate) struct Desk {
    pub store: Store,
    /// A connection that no export keeps waiting.
    pub leases: Store,
    pub objects: Objects,
    pub chains: Chains,
    pub route: Arc<Route>,
    pub canonical: String,
    pub shutdown: Shutdown,
    pub owner: Uuid,
    pub slots: u32,
    pub file_size: u64,
    pub keep: Duration,
    pub rest_unit: Duration,
    pub sweep: Duration,
}

impl Desk {
    /// How long between two tries, and two sweeps, under a time scale.
    pub(crate) fn paces(scaled: impl Fn(Duration) -> Duration) -> (Duration, Duration) {
        (job::rest_unit(&scaled), scaled(SWEEP).max(Duration::from_millis(200)))
    }
}

/// Works in the slots whose leases this replica holds, until the process drains.
pub(crate) async fn run(desk: Arc<Desk>, part: Part) {
    let keys: Vec<String> = (1..=desk.slots).map(|number| format!("slot-{number}")).collect();
    metrics::counter!("epro_export_runs_total", "outcome" => "failed").increment(0);
    let mut held = Held { desk: Arc::clone(&desk), running: JoinSet::new(), slots: HashMap::new() };
    let mut every = tokio::time::interval(ROUND);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sweep = tokio::time::interval(desk.sweep);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = desk.shutdown.requested() => break,
            Some(ended) = held.running.join_next() => held.ended(ended),
            _ = every.tick() => match held.round(&keys).await {
                Ok(()) => part.ready(),
                Err(trouble) => part.not_ready(format!("waiting for PostgreSQL: {trouble}")),
            },
            _ = sweep.tick(), if !held.slots.is_empty() => sweep_once(&desk).await,
        }
    }
    held.stop_all();
    while let Some(ended) = held.running.join_next().await {
        held.ended(ended);
    }
    let released = tokio::time::timeout(PATIENCE, desk.leases.release_leases(LEASES, desk.owner)).await;
    if !matches!(released, Ok(Ok(()))) {
        tracing::debug!("the leases of slots expire by themselves");
    }
}

struct Held {
    desk: Arc<Desk>,
    /// Each gives the slot that it worked in.
    running: JoinSet<String>,
    slots: HashMap<String, Slot>,
}

struct Slot {
    term: i64,
    until: Instant,
    stop: watch::Sender<bool>,
}

impl Slot {
    fn stop(&self) {
        self.stop.send_replace(true);
    }
}

impl Held {
    /// Renews, claims, and stops who has lost the lease.
    async fn round(&mut self, keys: &[String]) -> Result<(), String> {
        let round = LeaseRound { kind: LEASES, owner: self.desk.owner, keys, ttl: TTL };
        let leases = match tokio::time::timeout(PATIENCE, self.desk.leases.leases(&round)).await {
            Ok(Ok(leases)) => leases,
            Ok(Err(error)) => return Err(self.without(error.to_string())),
            Err(_) => return Err(self.without("no answer in time".to_owned())),
        };
        for (key, slot) in &mut self.slots {
            match leases.iter().find(|lease| lease.key == *key && lease.term == slot.term) {
                Some(lease) => slot.until = lease.until,
                None => slot.stop(),
            }
        }
        for lease in leases {
            self.begin(lease);
        }
        Ok(())
    }

    /// Without a word of PostgreSQL a lease lasts as long as it was given.
    fn without(&self, trouble: String) -> String {
        let now = Instant::now();
        self.slots.values().filter(|slot| slot.until <= now).for_each(Slot::stop);
        trouble
    }

    fn begin(&mut self, lease: Lease) {
        if self.slots.contains_key(&lease.key) {
            return;
        }
        let (stop, stopped) = watch::channel(false);
        let slot = Slot { term: lease.term, until: lease.until, stop };
        self.slots.insert(lease.key.clone(), slot);
        let desk = Arc::clone(&self.desk);
        self.running.spawn(async move {
            let key = lease.key.clone();
            job::work(desk, lease, stopped).await;
            key
        });
    }

    fn stop_all(&self) {
        self.slots.values().for_each(Slot::stop);
    }

    fn ended(&mut self, ended: Result<String, tokio::task::JoinError>) {
        match ended {
            Ok(key) => drop(self.slots.remove(&key)),
            Err(_) => {
                // An export that silently isn't made would look like one that takes long.
                tracing::error!("the work of a slot has panicked; exiting");
                std::process::exit(70);
            }
        }
    }
}

/// Deletes the files whose time is over. Twice does no harm.
async fn sweep_once(desk: &Desk) {
    let expired = match desk.store.expired_exports().await {
        Ok(expired) => expired,
        Err(error) => return tracing::debug!(%error, "expired exports can't be looked for now"),
    };
    for export in expired {
        if let Err(error) = desk.objects.delete_all(&export.to_string()).await {
            tracing::warn!(%export, %error, "the files of an expired export can't be deleted now");
            continue;
        }
        let mut chain = desk.chains.take().await;
        match desk.store.export_expired(chain.chain(), export).await {
            Ok(()) => tracing::info!(%export, "an export's time is over; its files are deleted"),
            Err(error) => tracing::debug!(%error, "an export's end can't be noted now"),
        }
    }
}
