//! `epro hospitals`: how each hospital is, as the owner of its lease sees it.

use std::process::ExitCode;

use epro_process::config::Config;
use epro_store::hospitals::HospitalStatus;
use serde_json::json;
use time::OffsetDateTime;

use crate::outside::Outside;
use crate::{instant, screen};

/// Shows every hospital of the configuration.
pub(crate) async fn run(outside: &Outside<'_>, json: bool) -> anyhow::Result<ExitCode> {
    let found = outside.store()?.hospitals(&outside.hospitals()).await?;
    if json {
        let all = found.iter().map(|found| {
            let mut line = serde_json::to_value(found)?;
            line["protocol"] = json!(protocol(outside.config, &found.site_id));
            Ok(line)
        });
        screen::json(&all.collect::<Result<Vec<_>, serde_json::Error>>()?)?;
    } else if found.is_empty() {
        screen::line("no hospital is configured")?;
    } else {
        let header = [
            "site",
            "protocol",
            "state",
            "since",
            "owner",
            "waiting",
            "oldest",
            "calls/s",
            "taken",
            "refused",
            "failed",
            "dead letters",
            "last error",
        ];
        screen::table(&header, found.iter().map(|found| row(outside.config, found)))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn row(config: &Config, found: &HospitalStatus) -> Vec<String> {
    vec![
        found.site_id.clone(),
        protocol(config, &found.site_id).to_owned(),
        state(found),
        at(found.gate_since),
        found.owner.map_or_else(|| "nobody".into(), |owner| owner.to_string()),
        found.waiting.to_string(),
        at(found.oldest),
        pace(config, found),
        found.taken.to_string(),
        found.refused.to_string(),
        found.failed.to_string(),
        found.dead_letters.to_string(),
        match &found.last_error {
            Some(error) => format!("{error}, {}", at(found.last_error_at)),
            None => "-".into(),
        },
    ]
}

/// Nobody holds its lease, and something waits for it: what its gate says is the word of an owner that is gone.
pub(crate) fn uncalled(found: &HospitalStatus) -> bool {
    found.owner.is_none() && found.waiting > 0
}

/// How it stands; a pause goes before what the gate says.
pub(crate) fn state(found: &HospitalStatus) -> String {
    match (&found.paused, &found.gate, &found.gate_reason) {
        (Some(reason), _, _) => format!("paused: {reason}"),
        (None, _, _) if uncalled(found) => "nobody calls it".into(),
        (None, Some(gate), Some(reason)) => format!("{gate}: {reason}"),
        (None, Some(gate), None) => gate.clone(),
        (None, None, _) => "never called".into(),
    }
}

fn at(at: Option<OffsetDateTime>) -> String {
    at.map_or_else(|| "-".into(), instant::shown)
}

/// What it gets, of what it allows.
fn pace(config: &Config, found: &HospitalStatus) -> String {
    let allowed = config.hospitals.get(&found.site_id).map(|hospital| hospital.calls_per_second);
    let allowed = allowed.map_or_else(|| "?".into(), |allowed| allowed.to_string());
    format!("{:.1} of {allowed}", found.calls_per_second)
}

pub(crate) fn protocol(config: &Config, site: &str) -> &'static str {
    config.hospitals.get(site).map_or("-", |hospital| hospital.protocol.as_str())
}
