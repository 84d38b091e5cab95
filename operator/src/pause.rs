//! `epro pause|resume`: kept in PostgreSQL, obeyed by every replica within two seconds.

use std::process::ExitCode;

use epro_store::AuditChain;
use serde_json::json;

use crate::arguments::Paused;
use crate::outside::Outside;
use crate::screen;

const KIND: &str = "lane";
const LANES: [&str; 7] = [
    "submissions",
    "submissions.urgent",
    "submissions.routine",
    "submissions.deferred",
    "dead",
    "commands",
    "alerts",
];

/// Pauses a lane.
pub(crate) async fn pause(outside: &Outside<'_>, wanted: &Paused, json: bool) -> anyhow::Result<ExitCode> {
    known(&wanted.lane)?;
    let mut chain = AuditChain::new("epro");
    let now = outside.store()?.pause(&mut chain, KIND, &wanted.lane, &wanted.by, &wanted.reason).await?;
    told(&wanted.lane, json, now, if now { "paused" } else { "was paused already" })
}

/// Lets a lane go on.
pub(crate) async fn resume(outside: &Outside<'_>, wanted: &Paused, json: bool) -> anyhow::Result<ExitCode> {
    known(&wanted.lane)?;
    let mut chain = AuditChain::new("epro");
    let now = outside.store()?.resume(&mut chain, KIND, &wanted.lane, &wanted.by, &wanted.reason).await?;
    told(&wanted.lane, json, now, if now { "goes on" } else { "was not paused" })
}

fn told(lane: &str, json: bool, changed: bool, outcome: &str) -> anyhow::Result<ExitCode> {
    if json {
        screen::json(&json!({"lane": lane, "outcome": outcome, "changed": changed}))?;
    } else {
        screen::line(format!("{lane}: {outcome}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn known(lane: &str) -> anyhow::Result<()> {
    anyhow::ensure!(LANES.contains(&lane), "there is no such lane; the lanes are {}", LANES.join(", "));
    Ok(())
}
