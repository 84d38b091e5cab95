//! A report of each hospital, asked for after the evening: what it knows of a patient, or that it can't be asked.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::json;

use super::Delivered;
use crate::client::Client;

/// How long a report may take, in seconds.
const WITHIN: u32 = 10;
const PATIENT: &str = "P-0001";
const STUDY: &str = "ONC-301";

/// What was asked of a hospital, and what came.
#[derive(Clone, Debug)]
pub struct Reported {
    /// The hospital's site.
    pub site: String,
    /// `FHIR`, `HL7 v2`.
    pub protocol: &'static str,
    /// Resources of vital signs, medication and laboratory.
    pub found: [usize; 3],
    /// What is missing, with its reason.
    pub missing: Vec<String>,
    /// From the request to its answer, in milliseconds.
    pub took_ms: f64,
    /// What is wrong with it, if anything is.
    pub surprise: Option<String>,
}

/// Asks each hospital that something was delivered to: one that speaks FHIR has to tell everything.
pub(super) async fn all(client: &Client, delivered: &[Delivered]) -> Result<Vec<Reported>> {
    let there = delivered.iter().filter(|one| !one.protocol.is_empty());
    let hospitals: BTreeMap<&str, &'static str> =
        there.map(|one| (one.site.as_str(), one.protocol)).collect();
    let mut all = Vec::new();
    for (site, protocol) in hospitals {
        all.push(one(client, site, protocol).await?);
    }
    Ok(all)
}

async fn one(client: &Client, site: &str, protocol: &'static str) -> Result<Reported> {
    let token = client.minter().reporter("dr-lee", &[STUDY], &[site])?;
    let asked = json!({"study_id": STUDY, "site_id": site, "subject_id": PATIENT, "within_seconds": WITHIN});
    let since = Instant::now();
    // The client gives up after ten seconds.
    let reply = client.report(&token, &asked, Some(WITHIN - 1)).await?;
    let took_ms = since.elapsed().as_secs_f64() * 1000.0;
    let report = reply.json().context("a report that is no JSON")?;
    let count = |service: &str| report[service].as_array().map_or(0, Vec::len);
    let missing = report["missing"].as_array().into_iter().flatten();
    let word = |missing: &serde_json::Value, key: &str| missing[key].as_str().unwrap_or_default().to_owned();
    let missing: Vec<String> =
        missing.map(|one| format!("{}: {}", word(one, "service"), word(one, "reason"))).collect();
    let found = ["vitals", "medication", "laboratory"].map(count);
    let fine = match protocol {
        "FHIR" => report["complete"] == true && !found.contains(&0),
        _ => missing.len() == 3 && missing.iter().all(|missing| missing.ends_with("not_supported")),
    };
    let surprise =
        (reply.status != 200 || !fine).then(|| format!("{}, not as a {protocol} hospital", reply.status));
    Ok(Reported { site: site.to_owned(), protocol, found, missing, took_ms, surprise })
}
