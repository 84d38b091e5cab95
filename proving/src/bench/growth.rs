//! How figures grow with workers, with what is queued, with hospitals and with the size of a body, each point beside
//! its limit in the same run where there is one.
//!
//! | module | does |
//! |---|---|
//! | `workers` | as many workers beside as many bare loops |
//! | `queued` | one worker beside one bare loop, in front of queues of growing depth |
//! | `hospitals` | what hospitals cost one worker that has nothing to do |
//! | `bodies` | worker and API beside their limits, the bodies growing |
//! | `drain` | a full queue that workers, or bare loops, empty |
#![allow(clippy::print_stderr, reason = "for people who wait")]

mod bodies;
mod drain;
mod hospitals;
mod queued;
mod workers;

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result};
use comfy_table::{CellAlignment, LineStyle, Table};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::ground::Ground;
use super::measure::median;
use super::page::number;
use super::recorded;

/// How often each point is measured; the medians count. Five rounds would take most of an hour.
const ROUNDS: usize = 3;
/// Submissions of a drain: some seconds, of which the first are left out.
const DRAIN: usize = 80_000;

/// One figure at growing sizes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Series {
    /// What was measured.
    pub figure: String,
    /// Its unit.
    pub unit: String,
    /// What grows.
    pub across: String,
    /// The smallest size first.
    pub points: Vec<Point>,
}

/// One size.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Point {
    /// How much of what grows.
    pub at: f64,
    /// Ours, the median.
    pub ours: f64,
    /// The limit beside it, the median.
    pub limit: Option<f64>,
    /// Ours over the limit of the same round, the median.
    pub compared: Option<f64>,
    /// Ours, round by round.
    #[serde(default)]
    pub rounds: Vec<f64>,
    /// The limit, round by round.
    #[serde(default)]
    pub limits: Vec<f64>,
}

impl Series {
    fn new(figure: &str, unit: &str, across: &str) -> Self {
        Self { figure: figure.into(), unit: unit.into(), across: across.into(), points: Vec::new() }
    }

    /// Adds a size; without limits it stands for itself.
    fn point(&mut self, at: f64, rounds: Vec<f64>, limits: Vec<f64>) -> Result<()> {
        let ratios: Vec<f64> = rounds.iter().zip(&limits).map(|(ours, limit)| ours / limit).collect();
        self.points.push(Point {
            at,
            ours: median(&rounds)?,
            limit: median(&limits).ok(),
            compared: median(&ratios).ok(),
            rounds,
            limits,
        });
        Ok(())
    }
}

/// Everything that was measured, with the head of a recorded run; takes about half an hour.
pub async fn measure() -> Result<Value> {
    let folder = Folder::with(bodies::INSTRUMENT)?;
    let ground = Ground::knowing(&folder.0).await?;
    eprintln!("growth: preparing {DRAIN} submissions for workers and queues");
    let cargo = ground.load("H004", DRAIN).await.context("prepare")?;
    let mut series = workers::measure(&ground, &cargo).await?;
    series.extend(queued::measure(&ground, &cargo).await?);
    drop(cargo);
    series.extend(bodies::measure(&ground).await?);
    series.extend(hospitals::measure().await?);
    let mut all = recorded::head("bench", ground.machine().await?);
    all.insert("series".to_owned(), json!(series));
    Ok(Value::Object(all))
}

/// The series of a recorded run.
pub fn series(run: &Value) -> Result<Vec<Series>> {
    Ok(serde_json::from_value(run["series"].clone())?)
}

/// The series for people.
pub fn table(series: &[Series]) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::UTF8_NO_BORDERS.row_separator(LineStyle::none()));
    table.set_header(["figure", "at", "ours", "limit", "ratio"]);
    for row in rows(series) {
        table.add_row(row);
    }
    for at in 1..5 {
        if let Some(column) = table.column_mut(at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

/// The same for docs/PROOF.md.
pub fn page(series: &[Series]) -> String {
    let mut out = "| figure | at | ours | limit | compared |\n|---|---|---|---|---|\n".to_owned();
    for row in rows(series) {
        let _ = writeln!(out, "| {} |", row.join(" | "));
    }
    out
}

/// Figure, size, ours, limit and their ratio, a line a point.
fn rows(series: &[Series]) -> impl Iterator<Item = [String; 5]> {
    series.iter().flat_map(|one| {
        one.points.iter().map(move |point| {
            let with_unit = |value: f64| format!("{} {}", number(value), one.unit);
            [
                one.figure.clone(),
                format!("{} {}", point.at, one.across),
                with_unit(point.ours),
                point.limit.map(with_unit).unwrap_or_default(),
                point.compared.map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
            ]
        })
    })
}

/// A folder with one instrument, gone with this value.
struct Folder(PathBuf);

impl Folder {
    fn with(instrument: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("epro-bench-{}", Uuid::now_v7().simple()));
        std::fs::create_dir_all(&path)?;
        let folder = Self(path);
        std::fs::write(folder.0.join("instrument.yaml"), instrument)?;
        Ok(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_compared_with_the_limit_of_its_own_round() {
        let mut rates = Series::new("drain", "/s", "workers");
        rates.point(2.0, vec![10.0, 20.0, 90.0], vec![100.0, 25.0, 100.0]).unwrap();
        rates.point(4.0, vec![0.25], Vec::new()).unwrap();
        let page = page(std::slice::from_ref(&rates));
        assert!(page.contains("| drain | 2 workers | 20.00 /s | 100 /s | 0.80 |"), "{page}");
        assert!(page.contains("| drain | 4 workers | 0.25 /s |  |  |"), "{page}");
        assert!(rates.point(8.0, Vec::new(), Vec::new()).is_err(), "nothing was measured");
    }

    #[test]
    fn what_others_add_to_a_recorded_run_is_read_without_its_rounds() {
        let point = json!({"at": 10000, "ours": 2.5, "limit": null, "compared": null});
        let run =
            json!({"series": [{"figure": "peak", "unit": "MiB", "across": "queued", "points": [point]}]});
        assert_eq!(series(&run).unwrap()[0].points[0].at, 10_000.0);
    }
}
