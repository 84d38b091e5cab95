//! `epro pause|resume`: kept in PostgreSQL, obeyed by every replica within two seconds.

use std::collections::BTreeSet;
use std::process::ExitCode;

use epro_broker::topology::CONSUMED;
use serde_json::json;

use crate::arguments::Paused;
use crate::outside::Outside;
use crate::{deed, screen};

/// Pauses a lane, or what goes to one hospital.
pub(crate) async fn pause(outside: &Outside<'_>, wanted: &Paused, json: bool) -> anyhow::Result<ExitCode> {
    let (kind, key) = (kind(outside, &wanted.what)?, &wanted.what);
    let mut chain = deed::chain();
    let now = outside.store()?.pause(&mut chain, kind, key, &wanted.deed.by, &wanted.deed.reason).await?;
    told((kind, key), json, now, if now { "paused" } else { "was paused already" })
}

/// Lets it go on.
pub(crate) async fn resume(outside: &Outside<'_>, wanted: &Paused, json: bool) -> anyhow::Result<ExitCode> {
    let (kind, key) = (kind(outside, &wanted.what)?, &wanted.what);
    let mut chain = deed::chain();
    let now = outside.store()?.resume(&mut chain, kind, key, &wanted.deed.by, &wanted.deed.reason).await?;
    told((kind, key), json, now, if now { "goes on" } else { "was not paused" })
}

fn told((kind, key): (&str, &str), json: bool, changed: bool, outcome: &str) -> anyhow::Result<ExitCode> {
    if json {
        screen::json(&json!({kind: key, "outcome": outcome, "changed": changed}))?;
    } else {
        screen::line(format!("{key}: {outcome}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// `lane` or `hospital`. A site that is called like a lane can't be paused by its name.
pub(crate) fn kind(outside: &Outside<'_>, what: &str) -> anyhow::Result<&'static str> {
    let lanes = lanes();
    if lanes.contains(&what) {
        return Ok("lane");
    }
    anyhow::ensure!(
        outside.config.hospitals.contains_key(what),
        "there is no such lane, and no site of that name has a hospital; the lanes are {}",
        lanes.join(", ")
    );
    Ok("hospital")
}

/// Every lane that can be paused, by its own name and by that of its kind.
pub(crate) fn lanes() -> Vec<&'static str> {
    let names = CONSUMED.iter().flat_map(|&(lane, _)| [lane.split('.').next().unwrap_or(lane), lane]);
    let mut lanes: Vec<&str> = names.chain(["hospitals"]).collect();
    let mut seen = BTreeSet::new();
    lanes.retain(|lane| seen.insert(*lane));
    lanes
}
