//! Four hundred hospitals on one machine, one worker: how long until all are its own, and what they cost.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

use super::callers::Callers;
use super::finding::{Bound, Finding};
use crate::stack::{Plan, Stack};
use crate::{SampleHospital, until};

const HOSPITALS: usize = 400;
/// How long nothing happens.
const IDLE: Duration = Duration::from_secs(30);
/// Leases that somebody holds.
const HELD: &str = "SELECT count(*) FROM ops.lease WHERE kind = 'hospital' AND until > clock_timestamp()";

/// Lives through it; takes about two minutes.
pub async fn live() -> Result<Vec<Finding>> {
    let hospital = SampleHospital::start().await?;
    let names: Vec<String> = (0..HOSPITALS).map(|number| format!("M{number:03}")).collect();
    let all = |entry: Value| names.iter().map(|name| (name.clone(), entry.clone())).collect::<Map<_, _>>();
    let mut hospitals = all(hospital.by_fhir());
    // The sample's own ones have no address; nobody is to look for them.
    for own in ["H001", "H002", "H003"] {
        hospitals.insert(own.to_owned(), hospital.by_fhir());
    }
    let config = json!({"sites": all(json!({})), "hospitals": hospitals});
    let begun = Instant::now();
    let stack = Stack::with(Plan { config, ..Plan::default() }).await?;
    let prepared = begun.elapsed();
    let storing = stack.worker().await?;
    let mut callers = Callers::on(stack).await?;
    let begun = Instant::now();
    callers.add().await?;
    let ready = begun.elapsed();
    until("all hospitals to be owned", Duration::from_secs(120), || async {
        Ok((callers.link.count(HELD).await? >= HOSPITALS as i64).then_some(()))
    })
    .await?;
    let owned = begun.elapsed();
    let worker = &callers.running[0];
    let before = worker.cpu_seconds()?;
    sleep(IDLE).await;
    let idle = (worker.cpu_seconds()? - before) / IDLE.as_secs_f64();
    for name in &names {
        callers.send(name, 1).await?;
    }
    let begun = Instant::now();
    let done = "SELECT count(*) FROM ops.delivery WHERE state = 'done'";
    until("each hospital to have its submission", Duration::from_secs(120), || async {
        Ok((callers.link.count(done).await? == HOSPITALS as i64).then_some(()))
    })
    .await?;
    let delivered = begun.elapsed();
    let worker = &callers.running[0];
    drop(storing);
    Ok(vec![
        Finding::new("400 hospitals: migration and topology, s", prepared.as_secs_f64(), Bound::Any),
        Finding::new("400 hospitals: worker ready, s", ready.as_secs_f64(), Bound::Any),
        Finding::new("400 hospitals: all of them consumed, s", owned.as_secs_f64(), Bound::AtMost(30.0)),
        Finding::new("400 hospitals: idle worker, % of a core", idle * 100.0, Bound::AtMost(10.0)),
        Finding::new("400 hospitals: one submission to each, s", delivered.as_secs_f64(), Bound::Any),
        Finding::new(
            "400 hospitals: worker's peak memory, MiB",
            worker.peak_rss_mib()?,
            Bound::AtMost(128.0),
        ),
        Finding::new("400 hospitals: dead letters", callers.dead().await?, Bound::Is(0.0)),
    ])
}
