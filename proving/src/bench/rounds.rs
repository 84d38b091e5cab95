//! One round: every figure once, ours and its limit close together in time.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use tokio::task::JoinSet;

use super::bare_loop::{Shape, Writes};
use super::calm::calm;
use super::ground::{Cargo, Ground};
use super::load::{self, Requests};
use super::measure::percentile;
use super::{backlog, bare_loop, costs, latency, publisher, resident, spent, start};
use crate::days::notices::{self, Told};
use crate::service::cpu_seconds;

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Submissions in a drain.
    pub drain: usize,
    /// Requests of the closed load.
    pub requests: usize,
    /// Requests of the open load, at [`RATE`].
    pub open: usize,
}

/// Open load, requests a second.
pub const RATE: f64 = 2000.0;

/// Figures by name, one value a round each.
#[derive(Clone, Debug, Default)]
pub struct Figures(pub BTreeMap<&'static str, Vec<f64>>);

impl Figures {
    pub(super) fn note(&mut self, name: &'static str, value: f64) {
        self.0.entry(name).or_default().push(value);
    }
}

/// What is used up in every round.
pub struct Supplies {
    /// Submissions of a site without a hospital: nothing follows on.
    pub plain: Cargo,
    /// Submissions of a site with one: each has a follow-on.
    pub hospital: Cargo,
    /// Requests of the closed load.
    pub closed: Requests,
    /// Requests of the open load.
    pub open: Requests,
    /// How much.
    pub size: Size,
    /// Submissions in the deepest queue.
    pub deepest: usize,
}

/// What is measured in every round, beside its limit where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Pair {
    /// The worker's drain beside the bare loop.
    Worker,
    /// The same with a follow-on for each submission, on both sides.
    Hospital,
    /// The API beside bare publishing.
    Api,
    /// POST to stored beside bare publishing and the bare loop.
    Whole,
    /// A worker's start to its first ack, beside the bare loop's.
    Start,
    /// Dangerous answers behind a backlog, to the mail server's accept.
    Danger,
    /// Latency at a fixed rate, to the 202 and until it is stored.
    Open,
    /// A worker's drain and memory with a deep queue behind, beside a consumer that only acks.
    Backlog,
    /// The whole route with TLS at each hop, beside the same in plain text.
    Tls,
    /// The whole route with the audit trail, beside the same while the database throws its rows away.
    Audit,
    /// The bare loop with the trail's rows and hashes, beside the same without either.
    Chain,
}

/// Runs each pair once; ours goes first in even rounds, the limit in odd ones.
pub async fn round(
    ground: &Ground,
    supplies: &Supplies,
    pairs: &[Pair],
    number: usize,
    figures: &mut Figures,
) -> Result<()> {
    for pair in pairs {
        for ours in [number.is_multiple_of(2), !number.is_multiple_of(2)] {
            one(ground, supplies, *pair, ours, figures).await?;
        }
    }
    Ok(())
}

async fn one(
    ground: &Ground,
    supplies: &Supplies,
    pair: Pair,
    ours: bool,
    figures: &mut Figures,
) -> Result<()> {
    let (closed, site) = (&supplies.closed, supplies.plain.site);
    match (pair, ours) {
        (Pair::Worker, true) => {
            worker(ground, &supplies.plain, ["worker", "worker cpu", "worker rss"], figures).await
        }
        (Pair::Worker, false) => bare(ground, &supplies.plain, Writes::Rows, "bare loop", figures).await,
        (Pair::Hospital, true) => {
            worker(ground, &supplies.hospital, ["worker+", "worker+ cpu", "worker+ rss"], figures).await
        }
        (Pair::Hospital, false) => {
            bare(ground, &supplies.hospital, Writes::Rows, "bare loop+", figures).await
        }
        (Pair::Api, true) => api(ground, supplies, figures).await,
        (Pair::Api, false) => bare_publishing(ground, supplies, figures).await,
        (Pair::Whole, true) => whole(ground, supplies, figures).await,
        (Pair::Whole, false) => bare_whole(ground, supplies, figures).await,
        (Pair::Tls, true) => cost("secured", costs::secured(ground, closed, site), figures).await,
        (Pair::Tls, false) => cost("relayed", costs::relayed(ground, closed, site), figures).await,
        (Pair::Audit, true) => cost("audited", costs::audited(ground, closed, site), figures).await,
        (Pair::Audit, false) => cost("unaudited", costs::unaudited(ground, closed, site), figures).await,
        (Pair::Chain, true) => {
            bare(ground, &supplies.plain, Writes::RowsAndHashes, "bare loop, trail", figures).await
        }
        (Pair::Chain, false) => {
            bare(ground, &supplies.plain, Writes::NoTrail, "bare loop, no trail", figures).await
        }
        (Pair::Start, true) => cost("first ack", start::ours(ground, &supplies.plain), figures).await,
        (Pair::Start, false) => cost("bare first ack", start::bare(ground, &supplies.plain), figures).await,
        (Pair::Danger, true) => danger(figures).await,
        // Nothing else tells anybody.
        (Pair::Danger, false) => Ok(()),
        (Pair::Backlog, true) => backlog::each(ground, &supplies.plain, supplies.deepest, figures).await,
        // Both take from one queue.
        (Pair::Backlog, false) => Ok(()),
        (Pair::Open, true) => latency::ours(ground, supplies, figures).await,
        (Pair::Open, false) => latency::bare(ground, supplies, figures).await,
    }
}

async fn cost(
    name: &'static str,
    route: impl Future<Output = Result<f64>>,
    figures: &mut Figures,
) -> Result<()> {
    figures.note(name, route.await?);
    Ok(())
}

/// On a stack of its own: alerts need a mail server.
async fn danger(figures: &mut Figures) -> Result<()> {
    let Told { mut latencies, behind } = notices::measure(notices::QUEUED).await?;
    figures.note("danger p50", percentile(&mut latencies, 0.5)?);
    figures.note("danger p99", percentile(&mut latencies, 0.99)?);
    figures.note("danger slowest", percentile(&mut latencies, 1.0)?);
    figures.note("danger behind", behind as f64);
    calm().await
}

async fn worker(
    ground: &Ground,
    cargo: &Cargo,
    names: [&'static str; 3],
    figures: &mut Figures,
) -> Result<()> {
    let count = cargo.messages.len();
    let mut worker = ground.warm_worker(cargo).await?;
    ground.fill(&cargo.messages).await?;
    let before = worker.cpu_seconds()?;
    ground.resume().await?;
    ground.stored(count).await?;
    let [pace, cpu, rss] = names;
    figures.note(cpu, (worker.cpu_seconds()? - before) * 10_000.0 / count as f64);
    figures.note(rss, worker.peak_rss_mib()?);
    ground.finish(&mut worker).await?;
    figures.note(pace, ground.pace(count).await?);
    ground.empty(cargo.site).await
}

async fn bare(
    ground: &Ground,
    cargo: &Cargo,
    writes: Writes,
    name: &'static str,
    figures: &mut Figures,
) -> Result<()> {
    ground.fill(&cargo.messages).await?;
    let shape = Shape { writes, ..ground.shape(cargo) };
    bare_loop::run(&shape, &cargo.rows, cargo.messages.len()).await?;
    ground.stored(cargo.messages.len()).await?;
    figures.note(name, ground.pace(cargo.messages.len()).await?);
    ground.empty(cargo.site).await
}

async fn api(ground: &Ground, supplies: &Supplies, figures: &mut Figures) -> Result<()> {
    let api = ground.stack.api().await?;
    let before = cpu_seconds(std::process::id())?;
    let went = load::closed(api.listen(), &supplies.closed, 64).await?;
    let count = supplies.closed.len() as f64;
    figures.note("load cpu", (cpu_seconds(std::process::id())? - before) * 10_000.0 / count);
    figures.note("api", count / went.took.as_secs_f64());
    figures.note("api p99", percentile(&mut went.latencies.clone(), 0.99)?);
    figures.note("api cpu", api.cpu_seconds()? * 10_000.0 / count);
    figures.note("api rss", api.peak_rss_mib()?);
    drop(api);
    ground.empty(supplies.plain.site).await
}

async fn bare_publishing(ground: &Ground, supplies: &Supplies, figures: &mut Figures) -> Result<()> {
    let some = Arc::new(supplies.plain.messages[..supplies.size.requests].to_vec());
    let before = cpu_seconds(std::process::id())?;
    let went = publisher::closed(&ground.amqp(), &some, 64).await?;
    figures.note("bare cpu", (cpu_seconds(std::process::id())? - before) * 10_000.0 / some.len() as f64);
    figures.note("bare publishing", some.len() as f64 / went.took.as_secs_f64());
    ground.empty(supplies.plain.site).await
}

async fn whole(ground: &Ground, supplies: &Supplies, figures: &mut Figures) -> Result<()> {
    let count = supplies.closed.len();
    let mut worker = ground.stack.worker().await?;
    let api = ground.stack.api().await?;
    ground.warm_route(&api, supplies.plain.site).await?;
    let (of_api, of_worker) = (api.cpu_seconds()?, worker.cpu_seconds()?);
    let before = spent::so_far(ground).await;
    let memory = resident::Watch::begin(ground).await;
    load::closed(api.listen(), &supplies.closed, 64).await?;
    ground.stored(count).await?;
    let each = 10_000.0 / count as f64;
    figures.note("whole api cpu", (api.cpu_seconds()? - of_api) * each);
    figures.note("whole worker cpu", (worker.cpu_seconds()? - of_worker) * each);
    figures.note("whole api rss", api.peak_rss_mib()?);
    figures.note("whole worker rss", worker.peak_rss_mib()?);
    // Where the services are elsewhere nobody knows.
    if let (Ok(before), Ok(after)) = (before, spent::so_far(ground).await) {
        figures.note("whole rabbitmq cpu", (after.rabbitmq - before.rabbitmq) * each);
        figures.note("whole postgres cpu", (after.postgres - before.postgres) * each);
    }
    if let Ok(memory) = memory
        && let Ok(peaks) = memory.end().await
    {
        figures.note("whole rabbitmq rss", peaks.rabbitmq);
        figures.note("whole postgres rss", peaks.postgres);
    }
    drop(api);
    ground.finish(&mut worker).await?;
    figures.note("whole", ground.pace(count).await?);
    ground.empty(supplies.plain.site).await
}

async fn bare_whole(ground: &Ground, supplies: &Supplies, figures: &mut Figures) -> Result<()> {
    let some = Arc::new(supplies.plain.messages[..supplies.size.requests].to_vec());
    let amqp = ground.amqp();
    let count = some.len();
    let mut publishing = JoinSet::new();
    publishing.spawn(async move { publisher::closed(&amqp, &some, 1000).await });
    bare_loop::run(&ground.shape(&supplies.plain), &supplies.plain.rows, count).await?;
    while let Some(done) = publishing.join_next().await {
        done??;
    }
    ground.stored(count).await?;
    figures.note("bare whole", ground.pace(count).await?);
    ground.empty(supplies.plain.site).await
}
