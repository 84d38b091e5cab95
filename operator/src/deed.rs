//! What an operator did to the ground that the relay stands on, for the audit trail.

use std::process::ExitCode;

use epro_store::AuditChain;
use epro_store::audit::{AuditEvent, AuditFacts};
use serde_json::Value;

use crate::outside::Outside;
use crate::screen;

/// Records it once it is done. It stays done where that can't be written down, but nobody is told that all is well.
pub(crate) async fn record(
    outside: &Outside<'_>,
    action: &str,
    by: &str,
    details: Value,
) -> anyhow::Result<ExitCode> {
    let event = AuditEvent::about(action, "ok", AuditFacts::by(by), details);
    let store = outside.store()?;
    match store.record(&mut AuditChain::new("epro"), &[event]).await {
        Ok(_) => Ok(ExitCode::SUCCESS),
        // The broker may be set up before the database is: there is no trail yet that could lack anything.
        Err(_) if store.missing_migrations().await.is_ok_and(|missing| !missing.is_empty()) => {
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            screen::line(format!("done, but the audit trail doesn't have it: {error}"))?;
            Ok(ExitCode::from(3))
        }
    }
}
