//! `epro audit anchor`: makes one anchor, unless another process is just making one.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use epro_process::objects::Objects;
use epro_process::traces;
use epro_schemas::audit::anchor::{Anchor, CHAIN, SigningKey};
use epro_schemas::audit::verifier::ANCHORED;
use epro_store::audit::{Actor, AuditEvent, AuditFacts};
use epro_store::lease::LeaseRound;
use epro_store::{AuditChain, Store};
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::place::Place;
use crate::outside::{Misconfigured, Outside};
use crate::screen;

/// The kind and the only key of its lease.
const NAME: &str = "anchor";
/// Longer than an anchor takes.
const TTL: Duration = Duration::from_secs(120);

/// Makes one.
pub(crate) async fn anchor(outside: &Outside<'_>, json: bool) -> anyhow::Result<ExitCode> {
    let config = &outside.config.audit;
    let key = config.signing_key().map_err(Misconfigured)?;
    let place = place(outside)?;
    let store = outside.store()?;
    let (owner, keys) = (Uuid::now_v7(), [NAME.to_owned()]);
    let round = LeaseRound { kind: NAME, owner, keys: &keys, ttl: TTL };
    if store.leases(&round).await?.is_empty() {
        if json {
            screen::json(&json!({"anchor": null, "outcome": "another process is making one"}))?;
        } else {
            screen::line("another process is making an anchor")?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let made = make(outside, &store, &place, &key).await;
    // If this fails it expires.
    let _ = store.release_leases(NAME, owner).await;
    let (number, chains) = made?;
    if json {
        screen::json(&json!({"anchor": number, "chains": chains, "key": key.public().id()}))?;
    } else {
        screen::line(format!("anchor {number}: {chains} chains, signed with {}", key.public().id()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The place of the anchors, which has to be configured.
pub(super) fn place(outside: &Outside<'_>) -> anyhow::Result<Place> {
    let problem = || {
        let rule = "is required by this command (or s3)";
        Misconfigured(vec![epro_process::config::Problem::new("audit.folder", rule)])
    };
    let place = outside.config.audit.anchors.as_ref().ok_or_else(problem)?;
    Ok(Place(Objects::new(place, "audit").map_err(Misconfigured)?))
}

async fn make(
    outside: &Outside<'_>,
    store: &Store,
    place: &Place,
    key: &SigningKey,
) -> anyhow::Result<(u64, usize)> {
    let last = place.numbers().await?.last().copied().unwrap_or(0);
    let mut previous = None;
    if let Some(file) = place.one(last).await? {
        let mut keys = outside.config.audit.public_keys().map_err(Misconfigured)?;
        keys.push(key.public());
        let (anchor, digest) = Anchor::read(&file, &keys)
            .with_context(|| format!("anchor {last}: epro audit verify says more"))?;
        // Nobody may put the seal of a new anchor under a trail that the last one contradicts.
        let contradicted = store.audit_heads_missing(&anchor.heads).await?;
        anyhow::ensure!(
            contradicted.is_empty(),
            "the trail is no longer what anchor {last} says, in {} chains: epro audit verify says where",
            contradicted.len()
        );
        previous = Some(digest);
    }
    let (number, heads) = (last + 1, store.audit_heads().await?);
    let chains = heads.len();
    let at = OffsetDateTime::now_utc();
    let anchor = Anchor { number, at, previous, key: key.public().id(), heads };
    let (file, digest) = anchor.signed(key)?;
    place.add(number, file).await?;
    let trace_id = Some(traces::new_id());
    let facts = AuditFacts { trace_id, ..AuditFacts::by(Actor::System("epro".to_owned())) };
    let event = AuditEvent::about(ANCHORED, "ok", facts, json!({"anchor": number, "sha256": digest}));
    store.record(&mut AuditChain::of(CHAIN, "epro audit"), &[event]).await?;
    Ok((number, chains))
}
