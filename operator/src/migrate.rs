//! `epro migrate`.

use std::process::ExitCode;

use serde_json::json;

use crate::arguments::By;
use crate::deed;
use crate::outside::Outside;
use crate::screen;

/// Brings the database to this version.
pub(crate) async fn run(outside: &Outside<'_>, by: &By, json: bool) -> anyhow::Result<ExitCode> {
    let applied = epro_store::migrate::run(&outside.database_url()?).await?;
    if json {
        screen::json(&json!({"applied": applied.migrations}))?;
    } else if applied.migrations.is_empty() {
        screen::line("database: up to date")?;
    } else {
        screen::line(format!("database: applied {}", applied.migrations.join(", ")))?;
    }
    if applied.migrations.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    deed::record(outside, "database.migrated", by, json!({"applied": applied.migrations})).await
}
