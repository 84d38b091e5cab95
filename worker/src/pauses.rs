//! Which lanes are paused: kept in PostgreSQL, known to every replica within two seconds.

use std::collections::BTreeMap;
use std::time::Duration;

use epro_process::shutdown::Shutdown;
use epro_store::audit::Actor;
use epro_store::{AuditChain, Store};
use tokio::sync::watch;

use crate::backoff;

/// How often the pauses are read.
const EVERY: Duration = Duration::from_secs(1);
/// What a paused lane is called in `ops.pause`.
pub(crate) const KIND: &str = "lane";

/// The lanes that are paused and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Paused {
    lanes: BTreeMap<String, String>,
}

impl Paused {
    /// Why `lane` is paused, by its own name (`submissions.routine`) or that of its kind
    /// (`submissions`); `None`: it isn't.
    pub(crate) fn reason(&self, lane: &str) -> Option<String> {
        let kind = lane.split('.').next().unwrap_or(lane);
        self.lanes.get(lane).or_else(|| self.lanes.get(kind)).cloned()
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
        match read(&store).await {
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
    let lanes = store.pauses().await?.into_iter().filter(|pause| pause.kind == KIND);
    Ok(Paused { lanes: lanes.map(|pause| (pause.key, pause.reason)).collect() })
}

/// Writes that a lane pauses itself, as often as it takes.
pub(crate) async fn pause_self(store: &Store, lane: &str, reason: &str) {
    let mut chain = AuditChain::new(&format!("epro-worker/{lane}"));
    for delay in backoff::steady() {
        match store.pause(&mut chain, KIND, lane, Actor::System("epro-worker".into()), reason).await {
            Ok(_) => return,
            Err(error) => tracing::warn!(lane, %error, "the pause can't be written yet"),
        }
        tokio::time::sleep(delay).await;
    }
}
