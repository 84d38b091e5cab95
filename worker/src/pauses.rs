//! Which lanes and hospitals are paused: kept in PostgreSQL, known to every replica within two seconds.

use std::collections::BTreeMap;
use std::time::Duration;

use epro_process::shutdown::Shutdown;
use epro_store::audit::Actor;
use epro_store::{AuditChain, Store};
use tokio::sync::watch;

use crate::backoff;

/// How often the pauses are read.
const EVERY: Duration = Duration::from_secs(1);
/// How long a lane waits to hear of the pause that it has just written: the two seconds within which every replica
/// knows one, and a second more. Of one that was lifted before it never hears.
pub(crate) const KNOWN_WITHIN: Duration = Duration::from_secs(3);
/// What a paused lane is called in `ops.pause`.
pub(crate) const LANE: &str = "lane";
/// What a paused hospital is called there; its key is a site.
pub(crate) const HOSPITAL: &str = "hospital";

/// The lanes and hospitals that are paused and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Paused {
    lanes: BTreeMap<String, String>,
    hospitals: BTreeMap<String, String>,
}

impl Paused {
    /// Why `lane` is paused, by its own name (`submissions.routine`) or that of its kind
    /// (`submissions`); `None`: it isn't.
    pub(crate) fn reason(&self, lane: &str) -> Option<String> {
        let kind = lane.split('.').next().unwrap_or(lane);
        self.lanes.get(lane).or_else(|| self.lanes.get(kind)).cloned()
    }

    /// Why nothing goes to the hospital of `site`: it is paused, or all hospitals are.
    pub(crate) fn hospital(&self, site: &str) -> Option<String> {
        self.hospitals.get(site).cloned().or_else(|| self.reason("hospitals"))
    }
}

/// Keeps `paused` as PostgreSQL says; while that is away, the last that was known holds, and `None`
/// until it has answered once.
pub(crate) async fn watch(store: Store, paused: watch::Sender<Option<Paused>>, shutdown: Shutdown) {
    let mut every = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            _ = every.tick() => {}
        }
        let now = read(&store).await;
        metrics::gauge!("epro_store_up").set(if now.is_ok() { 1.0 } else { 0.0 });
        match now {
            Ok(now) => {
                paused.send_if_modified(|before| {
                    let changed = before.as_ref() != Some(&now);
                    *before = Some(now);
                    changed
                });
            }
            Err(error) => tracing::debug!(%error, "pauses can't be read, the last known ones hold"),
        }
    }
}

async fn read(store: &Store) -> Result<Paused, epro_store::StoreError> {
    let mut paused = Paused::default();
    for pause in store.pauses().await? {
        match pause.kind.as_str() {
            LANE => paused.lanes.insert(pause.key, pause.reason),
            HOSPITAL => paused.hospitals.insert(pause.key, pause.reason),
            _ => None,
        };
    }
    Ok(paused)
}

/// Writes that a lane, or what it does for one hospital, pauses itself, as often as it takes.
pub(crate) async fn pause_self(store: &Store, kind: &str, key: &str, reason: &str) {
    let mut chain = AuditChain::new(&format!("epro-worker/{key}"));
    for delay in backoff::steady() {
        match store.pause(&mut chain, kind, key, Actor::System("epro-worker".into()), reason).await {
            Ok(_) => return,
            Err(error) => tracing::warn!(kind, key, %error, "the pause can't be written yet"),
        }
        tokio::time::sleep(delay).await;
    }
}
