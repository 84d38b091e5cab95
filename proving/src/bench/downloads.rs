//! What intake takes, with and without 16 clients that download an export through another deployment's door.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::task::JoinSet;

use super::ground::Ground;
use super::load;
use super::measure::percentile;
use crate::Service;
use crate::client::Client;

/// Clients that download at the same time.
const CLIENTS: usize = 16;
/// What each of them takes a second, as a hospital's line does. Loopback's speed would be a benchmark of the kernel.
const LINE: f64 = 2.0 * 1024.0 * 1024.0;
/// Submissions a second meanwhile.
const RATE: f64 = 500.0;
/// Seconds of one look.
const SECONDS: usize = 5;
/// Looks with and without, by turns.
const ROUNDS: usize = 5;

/// From POST to 202, ms, one a round.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    /// The median without downloads.
    pub alone: Vec<f64>,
    /// The median beside them.
    pub beside: Vec<f64>,
    /// The 99th percentile without downloads.
    pub alone_p99: Vec<f64>,
    /// The 99th percentile beside them.
    pub beside_p99: Vec<f64>,
}

/// Measures intake at a deployment of its own, while `jobs` serves the files of `export`, and while it rests.
pub async fn measure(
    ground: &Ground,
    (jobs, client, token): (&Service, &Client, &str),
    export: &str,
    (study, site): (&str, &str),
) -> Result<Beside> {
    let status: Value = client.get(&format!("/api/v1/exports/{export}"), token).await?.json()?;
    let files = status["files"].as_array().context("no files")?;
    let urls =
        files.iter().filter(|file| file["name"] != "manifest.json").filter_map(|file| file["href"].as_str());
    let urls: Vec<String> = urls.map(|href| format!("{}{href}", jobs.url())).collect();
    ensure!(!urls.is_empty(), "an export without files");
    let intake = ground.stack.api().await?;
    let mut beside = Beside::default();
    for round in 0..2 * ROUNDS {
        let downloads = round % 2 == 1;
        let requests = load::requests(ground.stack.minter(), study, site, RATE as usize * SECONDS)?;
        let (mut clients, got) = (JoinSet::new(), Arc::new(AtomicU64::new(0)));
        for number in 0..if downloads { CLIENTS } else { 0 } {
            clients.spawn(download(urls.clone(), number, token.to_owned(), Arc::clone(&got)));
        }
        let mut went = load::open(intake.listen(), &requests, RATE).await?;
        // None of them ends by itself, but by a failure.
        if let Some(ended) = clients.try_join_next() {
            ended??;
        }
        let pace = got.load(Ordering::Relaxed) as f64 / went.took.as_secs_f64();
        let least = if downloads { CLIENTS as f64 * LINE / 2.0 } else { 0.0 };
        ensure!(
            pace >= least,
            "the downloads got {pace:.0} bytes a second: nothing was measured beside them"
        );
        clients.shutdown().await;
        let (p50, p99) = match downloads {
            true => (&mut beside.beside, &mut beside.beside_p99),
            false => (&mut beside.alone, &mut beside.alone_p99),
        };
        p50.push(percentile(&mut went.latencies, 0.50)?);
        p99.push(percentile(&mut went.latencies, 0.99)?);
    }
    Ok(beside)
}

/// Downloads one file after the other, at the pace of its line, until it is stopped.
async fn download(urls: Vec<String>, first: usize, token: String, got: Arc<AtomicU64>) -> Result<()> {
    let http = crate::http::client(Duration::from_secs(60))?;
    for url in urls.iter().cycle().skip(first % urls.len()) {
        let mut answer = http.get(url).bearer_auth(&token).send().await?.error_for_status()?;
        while let Some(bytes) = answer.chunk().await? {
            got.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_secs_f64(bytes.len() as f64 / LINE)).await;
        }
    }
    Ok(())
}
