//! While everything flows, a lane, all hospitals, then one of them is paused: how long until two replicas do nothing more
//! of it, by PostgreSQL's clock.

use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::json;
use tokio::time::sleep;

use super::callers::Callers;
use super::finding::{Bound, Finding};
use crate::service::Service;
use crate::stack::{Plan, Stack};
use crate::{SampleHospital, until};

const ROUNDS: usize = 3;
const SITES: [&str; 3] = ["H001", "H002", "H003"];
/// How long a pause is kept: whatever doesn't obey shows.
const KEPT: Duration = Duration::from_secs(6);
const BOUND: Duration = Duration::from_secs(60);
/// Between two handfuls that are sent: 300 submissions a second, more than the hospitals take.
const FED: Duration = Duration::from_millis(100);
/// What a pause stops: its name, and when something of it was done last.
const PAUSED: [(&str, &str); 3] = [
    ("submissions.routine", "SELECT max(stored_at) FROM identified.submission"),
    ("hospitals", "SELECT max(at) FROM ops.delivery_attempt"),
    ("H001", "SELECT max(at) FROM ops.delivery_attempt WHERE site_id = 'H001'"),
];

/// Lives through it; takes about two minutes.
pub async fn live() -> Result<Vec<Finding>> {
    let hospital = SampleHospital::start().await?;
    let mut entry = hospital.by_fhir();
    entry["calls_per_second"] = json!(50.0);
    let config = json!({"hospitals": {"H001": entry, "H002": entry, "H003": entry}});
    let stack = Stack::with(Plan { config, ..Plan::default() }).await?;
    let storing = [stack.worker().await?, stack.worker().await?];
    let mut callers = Callers::on(stack).await?;
    for _ in 0..2 {
        callers.add().await?;
    }
    tokio::select! {
        fed = feed(&callers) => {
            fed?;
            bail!("the feed has ended")
        }
        findings = pauses(&callers, &storing) => findings,
    }
}

async fn feed(callers: &Callers) -> Result<()> {
    loop {
        for site in SITES {
            callers.send(site, 10).await?;
        }
        sleep(FED).await;
    }
}

async fn pauses(callers: &Callers, storing: &[Service]) -> Result<Vec<Finding>> {
    both_work(callers, storing).await?;
    let mut findings = Vec::new();
    for (name, newest) in PAUSED {
        let mut latest: f64 = 0.0;
        for _ in 0..ROUNDS {
            latest = latest.max(pause(callers, name, newest).await?);
        }
        let what = format!("pause: {name}, last done after it on two replicas, slowest of {ROUNDS}, s");
        findings.push(Finding::new(what, latest, Bound::AtMost(2.0)));
    }
    Ok(findings)
}

/// Both replicas store, and both call.
async fn both_work(callers: &Callers, storing: &[Service]) -> Result<()> {
    for worker in storing {
        until("each worker to be handed out something", BOUND, || async {
            let metrics = worker.metrics().await?;
            let mut lines = metrics.lines().filter(|line| line.starts_with("epro_deliveries_total"));
            let some = lines.any(|line| line.contains("epro.submissions.routine") && !line.ends_with(" 0"));
            Ok(some.then_some(()))
        })
        .await?;
    }
    let owners = "SELECT count(DISTINCT owner) FROM ops.delivery_attempt WHERE at > clock_timestamp() - interval '1 second'";
    until("two replicas to call", BOUND, || async {
        Ok((callers.link.count(owners).await? == 2).then_some(()))
    })
    .await
}

/// Seconds from the pause until the last of it was done.
async fn pause(callers: &Callers, name: &str, newest: &str) -> Result<f64> {
    let flows = format!(
        "SELECT COALESCE(({newest}) > clock_timestamp() - interval '1 second', false)::integer::bigint"
    );
    until("it to flow", BOUND, || async { Ok((callers.link.count(&flows).await? == 1).then_some(())) })
        .await?;
    callers.stack.epro(&["pause", name, "--reason", "to see how long it takes"]).await?;
    sleep(KEPT).await;
    // What was written last may be from before the pause: then it took no time at all.
    let late = format!(
        "SELECT GREATEST(0, extract(epoch FROM ({newest}) - p.at) * 1000)::bigint FROM ops.pause p WHERE p.key = '{name}'"
    );
    let late = callers.link.count(&late).await?;
    callers.stack.epro(&["resume", name, "--reason", "seen"]).await?;
    Ok(late as f64 / 1000.0)
}
