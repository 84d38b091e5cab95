//! `epro exports`: how far bulk exports are.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use epro_store::exports::ExportStatus;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::outside::Outside;
use crate::{instant, screen};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// Lists the newest.
pub(crate) async fn list(outside: &Outside<'_>, limit: u32, json: bool) -> anyhow::Result<ExitCode> {
    let found = outside.store()?.exports(limit).await?;
    if json {
        screen::json(&found)?;
    } else if found.is_empty() {
        screen::line("no export was asked for")?;
    } else {
        let header =
            ["export", "site", "format", "state", "rows", "of", "bytes", "asked for", "expires", "error"];
        screen::table(&header, found.iter().map(row))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn row(found: &ExportStatus) -> Vec<String> {
    vec![
        found.export_id.to_string(),
        found.site_id.clone(),
        if found.identified { format!("{}, identified", found.format) } else { found.format.clone() },
        found.state.clone(),
        found.rows.to_string(),
        found.estimate.map_or_else(|| "?".to_owned(), |rows| rows.to_string()),
        found.bytes.to_string(),
        at(Some(found.requested_at)),
        at(found.expires_at),
        found.last_error.clone().unwrap_or_else(|| "-".to_owned()),
    ]
}

/// A bar on a terminal, a line a change elsewhere, until it has ended.
pub(crate) async fn watch(outside: &Outside<'_>, id: Uuid, json: bool) -> anyhow::Result<ExitCode> {
    let store = outside.store()?;
    let bar = !json && screen::is_terminal();
    let mut shown = String::new();
    loop {
        let found = store.export_status(id).await?;
        let found =
            found.context("there is no such export; one that was just asked for may still be queued")?;
        let line = if json { serde_json::to_string(&found)? } else { progress(&found) };
        if bar {
            screen::again(&line)?;
        } else if line != shown {
            screen::line(&line)?;
        }
        shown = line;
        if !matches!(found.state.as_str(), "queued" | "running" | "cancelling") {
            if bar {
                screen::line("")?;
            }
            return Ok(if found.state == "done" { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn progress(found: &ExportStatus) -> String {
    let done = found.estimate.filter(|rows| *rows > 0).map(|rows| (found.rows as f64 / rows as f64).min(1.0));
    let bar = screen::bar(done);
    let of = found.estimate.map(|rows| format!(" of {rows}")).unwrap_or_default();
    let error = found.last_error.as_ref().map(|error| format!(", {error}")).unwrap_or_default();
    format!(
        "{bar} {}: {}{of} rows, {:.1} MiB{error}",
        found.state,
        found.rows,
        found.bytes as f64 / 1_048_576.0
    )
}

fn at(at: Option<OffsetDateTime>) -> String {
    at.map_or_else(|| "-".into(), instant::shown)
}
