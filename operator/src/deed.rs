//! What an operator did, for the audit trail.

use std::process::ExitCode;

use epro_store::AuditChain;
use epro_store::audit::{AuditEvent, AuditFacts};
use serde_json::Value;

use crate::arguments::By;
use crate::outside::Outside;
use crate::screen;

/// Exit code of what was done in part: of many some were not, or it is done and the audit trail doesn't have it.
pub(crate) const IN_PART: u8 = 3;

/// A chain of this command's own. Its name says where it ran, and by which login to PostgreSQL: of an act at a terminal
/// that is where from, and who, whatever `--by` says.
pub(crate) fn chain() -> AuditChain {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match host.trim() {
        "" => AuditChain::of_login("epro"),
        host => AuditChain::of_login(&format!("epro at {host}")),
    }
}

/// Records it once it is done. It stays done where that can't be written down, but nobody is told that all is well.
pub(crate) async fn record(
    outside: &Outside<'_>,
    action: &str,
    by: &By,
    details: Value,
) -> anyhow::Result<ExitCode> {
    let event = AuditEvent::about(action, "ok", AuditFacts::from(by), details);
    let store = outside.store()?;
    match store.record(&mut chain(), &[event]).await {
        Ok(_) => Ok(ExitCode::SUCCESS),
        // The broker may be set up before the database is: there is no trail yet that could lack anything.
        Err(_) if store.missing_migrations().await.is_ok_and(|missing| !missing.is_empty()) => {
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            screen::note(format!("done, but the audit trail doesn't have it: {error}"));
            Ok(ExitCode::from(IN_PART))
        }
    }
}
