//! A bulk export beside PostgreSQL's own `COPY` of the same rows, and the memory that it takes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::TryStreamExt;
use serde_json::{Value, json};

use super::downloads::{self, Beside};
use super::ground::Ground;
use super::measure::median;
use crate::Service;
use crate::client::Client;
use crate::{synthetic, until};

const STUDY: &str = "ONC-301";
/// Nothing goes to a hospital from there.
const SITE: &str = "H004";
/// Beside how many rows the memory of a large export is looked at.
const FEW: usize = 10_000;
/// Exports and copies, by turns.
const ROUNDS: usize = 3;

/// What an export reads, as one statement.
const COPY: &str = "COPY (\
SELECT s.submission_id, s.pseudonym, s.study_id, s.instrument, s.answered_at, s.answered_year, s.late, s.amends, \
    s.answers, s.scores, md5(s.pseudonym::text || s.submission_id::text)::uuid, i.answered_offset_s, i.received_at \
FROM research.submission s JOIN identified.submission i USING (submission_id, pseudonym) \
WHERE s.site_id = 'H004' ORDER BY s.pseudonym, s.submission_id) TO STDOUT (FORMAT csv)";

/// Rates and memory.
#[derive(Clone, Debug)]
pub struct Exports {
    /// Rows of the large export.
    pub rows: usize,
    /// CSV rows a second, from the first run's beginning to its end, by the database's clock; one a round.
    pub ours: Vec<f64>,
    /// Rows a second of the `COPY`; one a round.
    pub copy: Vec<f64>,
    /// Peak memory of a worker that exported few rows, MiB.
    pub rss_few: f64,
    /// The same after the large exports.
    pub rss: f64,
    /// Intake while it is downloaded.
    pub downloads: Beside,
}

impl Exports {
    /// Ours beside the copy of the same round, the median.
    pub fn ratio(&self) -> Result<f64> {
        let ratios: Vec<f64> = self.ours.iter().zip(&self.copy).map(|(ours, copy)| ours / copy).collect();
        median(&ratios)
    }
}

/// Exports `rows` made-up responses as CSV, by turns with the copy.
pub async fn measure(ground: &Ground, rows: usize) -> Result<Exports> {
    let api = ground.stack.api().await?;
    let client = ground.stack.client(&api)?;
    let claims = json!({"sub": "bench", "scope": "export", "study": [STUDY], "site": [SITE]});
    let token = ground.stack.minter().token(&claims)?;
    synthetic::responses(&ground.link, STUDY, SITE, FEW).await?;
    let small = exporting(ground).await?;
    for _ in 0..ROUNDS {
        export(ground, &client, &token, FEW).await?;
    }
    let rss_few = small.peak_rss_mib()?;
    drop(small);
    ground.empty(SITE).await?;
    synthetic::responses(&ground.link, STUDY, SITE, rows).await?;
    ground.link.client.batch_execute("VACUUM (ANALYZE) research.submission, identified.submission").await?;
    let worker = exporting(ground).await?;
    let mut measured =
        Exports { rows, ours: Vec::new(), copy: Vec::new(), rss_few, rss: 0.0, downloads: Beside::default() };
    let mut last = String::new();
    for _ in 0..ROUNDS {
        let (id, pace) = export(ground, &client, &token, rows).await?;
        measured.ours.push(pace);
        measured.copy.push(copy(ground, rows).await?);
        last = id;
    }
    measured.rss = worker.peak_rss_mib()?;
    drop(worker);
    measured.downloads = downloads::measure(ground, (&api, &client, &token), &last, (STUDY, SITE)).await?;
    drop(api);
    ground.empty(SITE).await?;
    ground.link.client.batch_execute("TRUNCATE ops.export, ops.export_part").await?;
    Ok(measured)
}

/// A worker that does nothing else.
async fn exporting(ground: &Ground) -> Result<Service> {
    let mut worker = ground.stack.spawn("epro-worker", &[("EPRO__WORKER__LANES", "[exports]")])?;
    worker.ready().await?;
    Ok(worker)
}

/// Asks for one and waits for its end; its id, and its rows a second.
async fn export(ground: &Ground, client: &Client, token: &str, rows: usize) -> Result<(String, f64)> {
    let body = json!({
        "site_id": SITE, "from": "2026-01-01T00:00:00Z", "to": "2027-01-01T00:00:00Z", "format": "csv",
    });
    let asked = client.post("/api/v1/exports", token, body.to_string().into_bytes()).await?;
    ensure!(asked.status == 202, "an export is answered {}: {}", asked.status, asked.body);
    let id: Value = asked.json()?;
    let id = id["export_id"].as_str().context("no export_id")?.to_owned();
    let bound = Duration::from_secs(60 + rows as u64 / 2_000);
    until("the export's end", bound, || async {
        let sql = format!("SELECT count(*) FROM ops.export WHERE export_id = '{id}' AND state = 'done'");
        Ok((ground.link.count(&sql).await? == 1).then_some(()))
    })
    .await?;
    let sql = format!(
        "SELECT rows, extract(epoch FROM finished_at - started_at)::float8 FROM ops.export WHERE export_id = '{id}'"
    );
    let row = ground.link.client.query_one(&sql, &[]).await?;
    let (found, seconds): (i64, f64) = (row.get(0), row.get(1));
    ensure!(found == rows as i64, "{found} rows in the export, not {rows}");
    Ok((id, rows as f64 / seconds))
}

async fn copy(ground: &Ground, rows: usize) -> Result<f64> {
    let began = Instant::now();
    let stream = ground.link.client.copy_out(COPY).await?;
    let bytes = stream.try_fold(0, async |sum, chunk| Ok(sum + chunk.len())).await?;
    ensure!(bytes > rows, "the copy gave {bytes} bytes");
    Ok(rows as f64 / began.elapsed().as_secs_f64())
}
