//! Runs that are recorded one after the other, a line of JSON each.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What a page says where there is none.
pub(crate) const NOTHING: &str = "No run is recorded yet.\n";

/// Adds a run to a file, as its last line.
pub(crate) fn append(file: &Path, run: &impl Serialize) -> Result<()> {
    let mut line = serde_json::to_string(run)?;
    line.push('\n');
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let opened = std::fs::OpenOptions::new().append(true).create(true).open(file);
    let mut opened = opened.with_context(|| format!("open {}", file.display()))?;
    Ok(opened.write_all(line.as_bytes())?)
}

/// Every run in a file. No file: no run.
pub(crate) fn read<T: DeserializeOwned>(file: &Path) -> Result<Vec<T>> {
    if !file.exists() {
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string(file)?;
    let line =
        |line: &str| serde_json::from_str::<T>(line).with_context(|| format!("a line of {}", file.display()));
    text.lines().map(line).collect()
}

/// Now, to the second, RFC 3339 in UTC.
pub(crate) fn now() -> Result<String> {
    Ok(OffsetDateTime::now_utc().replace_nanosecond(0)?.format(&Rfc3339)?)
}

/// Of which commit this is, with `-dirty` where something was changed since, as `./dev` says.
pub(crate) fn commit() -> Option<String> {
    std::env::var("EPRO_TEST_COMMIT").ok().filter(|commit| !commit.is_empty())
}
