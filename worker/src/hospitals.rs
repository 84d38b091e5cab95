//! Lane `hospitals`: what is stored goes on to the hospital of its site, each at its own pace.
//!
//! Once a second a replica renews the leases of the hospitals that it owns and claims free ones, up to
//! its fair share; for each it owns, [`lane`] consumes the hospital's queue and [`questions`] its query queue. No call
//! is made but under a [`lease`], and through the hospital's [`gate`].

pub(crate) mod answer;
pub(crate) mod caller;
mod clock;
mod deliver;
pub(crate) mod document;
mod expiry;
mod fhir;
mod gate;
mod hand;
pub(crate) mod hospital;
mod lane;
mod lease;
pub(crate) mod lines;
mod load;
mod mllp;
mod questions;
mod rate_limit;
mod report;
mod settle;
mod unread;
mod verdict;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use epro_process::config::{Config, Lane as LaneKind, Problem};
use epro_process::health::Part;
use epro_store::lease::{Lease as Row, LeaseRound};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::backoff;
use caller::Caller;
use clock::Clock;
use hospital::{Hospital, Known, Office};
use lease::{Held, Lease};

/// What the lane is called.
pub(crate) const NAME: &str = "hospitals";
/// The kind of its leases; a key is a site.
const KIND: &str = "hospital";
/// How often leases are renewed.
const ROUND: Duration = Duration::from_secs(1);
/// How long a round may take before the next one is tried.
const PATIENCE: Duration = Duration::from_secs(2);

/// The hospitals of the configuration, by site.
pub(crate) type Hospitals = BTreeMap<String, Arc<Known>>;

/// Prepares to call each of them, if this process does.
///
/// # Errors
/// Everything that is wrong with the files that they name.
pub(crate) fn prepare(config: &Config) -> Result<Hospitals, Vec<Problem>> {
    let (mut hospitals, mut problems) = (BTreeMap::new(), Vec::new());
    let called = config.worker.lanes.contains(&LaneKind::Hospitals);
    for (site, config) in config.hospitals.iter().filter(|_| called) {
        match Caller::new(site, config) {
            Ok(caller) => {
                hospitals.insert(site.clone(), Arc::new(Known { config: config.clone(), caller }));
            }
            Err(mut more) => problems.append(&mut more),
        }
    }
    if problems.is_empty() { Ok(hospitals) } else { Err(problems) }
}

/// Calls the hospitals whose leases this replica holds, until the process drains.
pub(crate) async fn run(office: Arc<Office>, hospitals: Hospitals, part: Part) {
    let longest = hospitals.values().map(|known| known.config.timeout).max().unwrap_or_default();
    let mut rounds = Rounds {
        keys: hospitals.keys().cloned().collect(),
        ttl: lease::ttl(longest),
        hospitals,
        office,
        lanes: JoinSet::new(),
        owned: HashMap::new(),
    };
    crate::settling::count_dead_letters(NAME, 0);
    let mut every = tokio::time::interval(ROUND);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let shutdown = rounds.office.shutdown.clone();
    tokio::select! {
        () = shutdown.requested() => return,
        () = migrated(&rounds.office, &part) => {}
    }
    let sweeping = Arc::clone(&rounds.office);
    let mut sweep = std::pin::pin!(expiry::run(&sweeping));
    loop {
        tokio::select! {
            biased;
            () = shutdown.requested() => break,
            () = &mut sweep => {}
            Some(ended) = rounds.lanes.join_next() => rounds.ended(ended),
            _ = every.tick() => match rounds.round().await {
                Ok(()) => match rounds.office.lines.trouble() {
                    None => part.ready(),
                    Some(trouble) => part.not_ready(format!("waiting for RabbitMQ: {trouble}")),
                },
                Err(trouble) => part.not_ready(format!("waiting for PostgreSQL: {trouble}")),
            },
        }
    }
    while let Some(ended) = rounds.lanes.join_next().await {
        rounds.ended(ended);
    }
    let (store, owner) = (&rounds.office.leases, rounds.office.owner);
    let released = tokio::time::timeout(PATIENCE / 2, store.release_leases(KIND, owner)).await;
    if !matches!(released, Ok(Ok(()))) {
        tracing::debug!("the hospitals' leases expire by themselves");
    }
}

/// Waits until the database has what this version needs.
async fn migrated(office: &Office, part: &Part) {
    for delay in backoff::steady() {
        match office.leases.missing_migrations().await {
            Ok(missing) if missing.is_empty() => return,
            Ok(missing) => {
                part.not_ready(format!("the database lacks {}: run `epro migrate`", missing.join(", ")));
            }
            Err(error) => part.not_ready(format!("waiting for PostgreSQL: {error}")),
        }
        tokio::time::sleep(delay).await;
    }
}

struct Rounds {
    keys: Vec<String>,
    ttl: Duration,
    hospitals: Hospitals,
    office: Arc<Office>,
    /// Each gives the site that it was for.
    lanes: JoinSet<String>,
    /// The lanes that run: the term of the lease, and how its end is moved.
    owned: HashMap<String, (i64, watch::Sender<Held>)>,
}

impl Rounds {
    /// Renews, claims, and tells each lane how long it has.
    async fn round(&mut self) -> Result<(), String> {
        let round = LeaseRound { kind: KIND, owner: self.office.owner, keys: &self.keys, ttl: self.ttl };
        let leases = match tokio::time::timeout(PATIENCE, self.office.leases.leases(&round)).await {
            Ok(Ok(leases)) => leases,
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => return Err("no answer in time".to_owned()),
        };
        let held: HashMap<&str, &Row> = leases.iter().map(|lease| (lease.key.as_str(), lease)).collect();
        for (site, (term, renew)) in &self.owned {
            let now = match held.get(site.as_str()) {
                Some(lease) if lease.term == *term => Held::Until(lease.until),
                _ => Held::Lost,
            };
            // Once lost, it isn't had again: its lane leaves.
            renew.send_if_modified(|held| {
                let goes_on = *held != Held::Lost;
                *held = if goes_on { now } else { Held::Lost };
                goes_on
            });
        }
        for lease in &leases {
            self.begin(lease);
        }
        metrics::gauge!("epro_hospitals_owned").set(self.owned.len() as f64);
        Ok(())
    }

    /// A lane for a lease that is new. If the one of an older lease hasn't ended, the next round begins it.
    fn begin(&mut self, lease: &Row) {
        let (false, Some(known)) = (self.owned.contains_key(&lease.key), self.hospitals.get(&lease.key))
        else {
            return;
        };
        let (renew, held) = Lease::new(lease.until, known.config.timeout, Clock::monotonic());
        let (site, office) = (lease.key.clone(), Arc::clone(&self.office));
        let hospital = Hospital::new(site.clone(), Arc::clone(known), held, lease.term, office);
        tracing::info!(site, term = lease.term, "this replica calls the hospital from now on");
        self.lanes.spawn(async move {
            let site = hospital.site.clone();
            lane::run(hospital).await;
            site
        });
        self.owned.insert(lease.key.clone(), (lease.term, renew));
    }

    fn ended(&mut self, ended: Result<String, tokio::task::JoinError>) {
        match ended {
            Ok(site) => {
                tracing::info!(site, "this replica calls the hospital no more");
                self.owned.remove(&site);
            }
            Err(_) => {
                // A hospital that is silently not called would look like a quiet evening.
                tracing::error!("the lane of a hospital has panicked; exiting");
                std::process::exit(70);
            }
        }
    }
}
