//! The speed and memory table: ratios in one run, medians of interleaved rounds.
//! Exits 1 when a goal is missed.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use epro_proving::bench::ground::Ground;
use epro_proving::bench::rounds::{Figures, Pair, Size, Supplies, round};
use epro_proving::bench::{depth, exports, load, report};

#[derive(Parser)]
#[command(about = "Measures worker, API and the whole beside their limits")]
struct Arguments {
    /// Interleaved rounds; the table shows medians
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Submissions in a drain
    #[arg(long, default_value_t = 50_000)]
    drain: usize,
    /// Requests of the load with 64 connections
    #[arg(long, default_value_t = 30_000)]
    requests: usize,
    /// Seconds of the load at 2,000 requests a second
    #[arg(long, default_value_t = 10)]
    seconds: usize,
    /// Queue a million submissions for the memory figures, not 100,000
    #[arg(long)]
    million: bool,
    /// Leave the export out
    #[arg(long)]
    without_export: bool,
    /// Leave the memory figures out
    #[arg(long)]
    without_depth: bool,
    /// Measure only these pairs, e.g. --only api,whole
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Pair>,
    /// Write everything, round by round, to this file
    #[arg(long)]
    json: Option<PathBuf>,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let size = Size { drain: arguments.drain, requests: arguments.requests, open: arguments.seconds * 2000 };
    ensure!(size.requests.max(size.open) <= size.drain, "the drain must have the most submissions");
    let ground = Ground::new().await?;
    eprintln!("preparing {} submissions, with and without a hospital", 2 * size.drain);
    let supplies = Supplies {
        plain: ground.load("H004", size.drain).await.context("prepare")?,
        hospital: ground.load("H001", size.drain).await.context("prepare")?,
        closed: load::requests(ground.stack.minter(), "ONC-301", "H004", size.requests)?,
        open: load::requests(ground.stack.minter(), "ONC-301", "H004", size.open)?,
        size,
    };
    let pairs = match arguments.only.is_empty() {
        true => Pair::value_variants(),
        false => &arguments.only,
    };
    let mut figures = Figures::default();
    for number in 0..arguments.rounds {
        eprintln!("round {} of {}", number + 1, arguments.rounds);
        round(&ground, &supplies, pairs, number, &mut figures).await?;
        for (name, values) in &figures.0 {
            eprintln!("  {name:<16} {:>10.2}", values.last().copied().unwrap_or_default());
        }
    }
    let template = supplies.plain.messages.first().context("no messages")?;
    let queued = if arguments.million { 1_000_000 } else { 100_000 };
    let depth = match arguments.without_depth {
        true => None,
        false => {
            eprintln!("memory with {queued} queued");
            Some(depth::measure(&ground, template, queued, &supplies.closed).await?)
        }
    };
    let exported = match arguments.without_export {
        true => None,
        false => {
            let rows = if arguments.million { 1_000_000 } else { 200_000 };
            eprintln!("an export of {rows} submissions");
            Some(exports::measure(&ground, rows).await?)
        }
    };
    let mut lines = report::lines(&figures, depth.as_ref())?;
    if let Some(exported) = &exported {
        lines.extend(report::of_exports(exported)?);
    }
    println!("{}", report::table(&lines));
    if let Some(file) = &arguments.json {
        let machine = ground.machine().await?;
        let all = report::json(&lines, &figures, depth.as_ref(), &machine);
        std::fs::write(file, serde_json::to_string_pretty(&all)?).context("write the JSON file")?;
    }
    let short = lines.iter().any(|line| line.ok() == Some(false));
    Ok(if short { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
