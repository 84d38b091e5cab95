//! Alerts that are due without a message: claimed from PostgreSQL every second.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use epro_process::shutdown::Shutdown;
use epro_process::traces::{self, Context};
use epro_store::alerts::Claim;
use epro_store::{Committed, StoreError};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use uuid::Uuid;

use super::ANSWER;
use super::teller::Teller;
use crate::pauses::Paused;

/// Alerts whose people are told at the same time.
const AT_ONCE: usize = 32;
/// How often the gauge is set.
const GAUGE: Duration = Duration::from_secs(5);

/// What is needed to look for due alerts.
pub(crate) struct Due {
    pub teller: Arc<Teller>,
    pub shutdown: Shutdown,
    pub paused: watch::Receiver<Option<Paused>>,
    /// How often to look.
    pub every: Duration,
    /// The configured sites, whose gauges go back to 0.
    pub sites: Vec<String>,
}

/// Looks until the process drains; what is being told then is told to its end.
pub(crate) async fn run(due: Due) {
    let mut running: JoinSet<Result<Committed, StoreError>> = JoinSet::new();
    let mut every = interval(due.every);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut gauged: Option<Instant> = None;
    for site in &due.sites {
        metrics::counter!("epro_alerts_unaddressed_total", "site" => site.clone()).increment(0);
    }
    loop {
        tokio::select! {
            biased;
            () = due.shutdown.requested() => break,
            Some(told) = running.join_next() => {
                if let Ok(Err(error)) = told {
                    tracing::debug!(%error, "what was told can't be recorded now");
                }
                continue;
            }
            _ = every.tick() => {}
        }
        let paused = due.paused.borrow().as_ref().is_some_and(|paused| paused.reason("alerts").is_some());
        if !paused {
            claim(&due, &mut running).await;
        }
        if gauged.is_none_or(|at| at.elapsed() >= GAUGE) {
            gauged = Some(Instant::now());
            gauge(&due).await;
        }
    }
    while running.join_next().await.is_some() {}
}

async fn claim(due: &Due, running: &mut JoinSet<Result<Committed, StoreError>>) {
    let free = AT_ONCE.saturating_sub(running.len());
    if free == 0 {
        return;
    }
    match due.teller.claim_due(u32::try_from(free).unwrap_or(u32::MAX)).await {
        Ok(claims) => {
            let places = places(due, &claims).await;
            for claim in claims {
                let place = places.get(&claim.alert.submission_id).copied();
                let teller = Arc::clone(&due.teller);
                running.spawn(async move { teller.tell(claim, place).await });
            }
        }
        Err(error) => tracing::debug!(%error, "due alerts can't be claimed now"),
    }
}

/// Where notices go on in the traces of their submissions: no message brings that. None where no spans are made.
async fn places(due: &Due, claims: &[Claim]) -> HashMap<Uuid, Context> {
    if claims.is_empty() || !traces::are_on() {
        return HashMap::new();
    }
    let submissions: Vec<Uuid> = claims.iter().map(|claim| claim.alert.submission_id).collect();
    // Nobody is told later for it.
    let known = timeout(ANSWER, due.teller.store.trace_ids(&submissions)).await;
    let known = known.unwrap_or(Err(StoreError::SILENT)).unwrap_or_default();
    let place =
        |(id, trace_id): (Uuid, String)| Some((id, Context::recorded(&traces::continued(&trace_id)?)?));
    known.into_iter().filter_map(place).collect()
}

async fn gauge(due: &Due) {
    let Ok(undone) = due.teller.store.undone_alerts().await else { return };
    for site in &due.sites {
        let found = undone.iter().find(|undone| undone.site_id == *site).map_or(0, |undone| undone.undone);
        metrics::gauge!("epro_alerts_undone", "site" => site.clone()).set(found as f64);
    }
}
