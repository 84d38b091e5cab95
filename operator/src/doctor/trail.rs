//! Whether somebody vouches for the audit trail.

use epro_process::config::Config;
use epro_store::{Store, StoreError};
use time::OffsetDateTime;

use super::Finding;
use crate::instant;

pub(super) async fn found(config: &Config, store: &Store) -> Result<Option<Finding>, StoreError> {
    if let Some(since) = store.unanchored_since(config.scaled(config.alerts.system.oldest_anchor)).await? {
        return Ok(Some(stopped(since)));
    }
    Ok(store.last_anchor().await?.is_none().then(never))
}

fn stopped(since: OffsetDateTime) -> Finding {
    Finding::new(
        format!("the audit trail was last anchored at {}, and goes on", instant::shown(since)),
        "whoever owns the database could rewrite what was written since, and nobody would see it",
        "see why the auditor's job of epro audit anchor fails, or doesn't run any more",
    )
}

/// Whether it should be is not for us to say.
fn never() -> Finding {
    Finding::note(
        "the audit trail was never anchored",
        "whoever owns the database could rewrite it, and nobody would see it",
        "have an auditor's job run epro audit anchor every few minutes: see SECURITY, 'The audit trail'",
    )
}
