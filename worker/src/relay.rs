//! Lane `relay`: publishes follow-ons whose rows say `unsent`. One replica at a time, by lease.

use std::sync::Arc;
use std::time::Duration;

use epro_broker::Publisher;
use epro_process::health::Part;
use epro_process::shutdown::Shutdown;
use epro_process::traces;
use epro_schemas::seal::KeyRing;
use epro_store::Store;
use epro_store::follow_ons::FollowOn;
use epro_store::lease::LeaseRound;
use uuid::Uuid;

use crate::submissions::follow_on::{self, Out, Parents};

/// The kind and the only key of its lease.
const NAME: &str = "relay";
/// How long the lease lasts; it is renewed three times as often.
const TTL: Duration = Duration::from_secs(6);
/// How long the lease may take to be given back, when leaving.
const FAREWELL: Duration = Duration::from_secs(1);
/// Follow-ons in one go.
const MOST: u32 = 500;

/// What the relay works with.
pub(crate) struct Relay {
    pub store: Store,
    pub publisher: Publisher,
    /// What follow-ons are sealed with.
    pub ring: Arc<KeyRing>,
    pub shutdown: Shutdown,
    pub part: Part,
    /// How long it rests between two rounds.
    pub every: Duration,
}

/// Relays until the process drains.
pub(crate) async fn run(relay: Relay) {
    let owner = Uuid::now_v7();
    let keys = [NAME.to_owned()];
    relay.part.ready();
    loop {
        let round = LeaseRound { kind: NAME, owner, keys: &keys, ttl: TTL };
        tokio::select! {
            // In the middle of a round, too: what is published and not marked is published again.
            () = relay.shutdown.requested() => break,
            () = relay_once(&relay, &round) => {}
        }
    }
    let released = tokio::time::timeout(FAREWELL, relay.store.release_leases(NAME, owner)).await;
    if !matches!(released, Ok(Ok(_))) {
        tracing::debug!("the relay's lease expires by itself");
    }
}

/// Publishes what is unsent, oldest first, until nothing is left or nothing goes through; then rests. The
/// lease is renewed before each batch.
async fn relay_once(relay: &Relay, round: &LeaseRound<'_>) {
    loop {
        match relay.store.leases(round).await {
            Ok(leases) if leases.is_empty() => break,
            Ok(_) if relay_batch(relay).await => {}
            Ok(_) => break,
            Err(error) => {
                tracing::debug!(%error, "the relay's lease can't be had now");
                break;
            }
        }
    }
    tokio::time::sleep(relay.every.min(TTL / 3)).await;
}

/// Publishes one batch. Whether there may be more that goes through.
async fn relay_batch(relay: &Relay) -> bool {
    let unsent = match relay.store.unsent(MOST).await {
        Ok(unsent) if unsent.is_empty() => return false,
        Ok(unsent) => unsent,
        Err(error) => {
            tracing::debug!(%error, "unsent follow-ons can't be read now");
            return false;
        }
    };
    let full = unsent.len() >= MOST as usize;
    let parents = parents(relay, &unsent).await;
    let out = Out { ring: &relay.ring, publisher: &relay.publisher };
    let (sent, still_unsent) = follow_on::publish(unsent, &parents, out).await;
    if !still_unsent.is_empty()
        && let Err(error) = relay.store.mark_unsent(&still_unsent).await
    {
        // Marking them again moves them behind the others, so that one sick queue hides no healthy one.
        tracing::debug!(%error, "unsent follow-ons stay in front");
    }
    if sent.is_empty() {
        return false;
    }
    metrics::counter!("epro_follow_ons_relayed_total").increment(sent.len() as u64);
    match relay.store.mark_queued(&sent).await {
        Ok(_) => {
            tracing::info!(sent = sent.len(), unsent = still_unsent.len(), "relayed follow-ons");
            full
        }
        Err(error) => {
            tracing::warn!(%error, "relayed, but not marked: they are relayed once more");
            false
        }
    }
}

/// Their submissions' traces, where anybody wants to know. Without them they go all the same.
async fn parents(relay: &Relay, unsent: &[FollowOn]) -> Parents {
    if !traces::are_on() {
        return Parents::default();
    }
    let submissions: Vec<Uuid> = unsent.iter().map(FollowOn::submission_id).collect();
    relay.store.trace_ids(&submissions).await.map(Parents::known_by).unwrap_or_default()
}
