//! Scaling by depth and rolling restarts, on real processes; and the simulation as a picture. Exits 1 when a figure
//! isn't what it must be.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use epro_proving::days::finding;
use epro_proving::scaling::{Rule, live, plot, restarts, scenarios};

#[derive(Parser)]
#[command(
    about = "Applies KEDA's and Kubernetes' arithmetic to a live queue, and starts and stops real workers"
)]
struct Arguments {
    /// Submissions of the burst
    #[arg(long, default_value_t = 100_000)]
    burst: usize,
    /// Rolling restarts under load in place of the burst
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "100")]
    restarts: Option<usize>,
    /// Workers that are killed after the restarts
    #[arg(long, default_value_t = 5)]
    kills: usize,
    /// Only writes the simulation's four hours as an SVG
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(file) = &arguments.plot {
        let rule = Rule::shipped()?;
        let hours = scenarios::all(&rule, scenarios::MEASURED);
        for hour in &hours {
            println!("{}: at most {} workers, {}", hour.title, hour.most(), hour.end());
        }
        std::fs::write(file, plot::svg(&hours, rule.max))
            .with_context(|| format!("write {}", file.display()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let findings = match arguments.restarts {
        Some(number) => restarts::live(number, arguments.kills).await?,
        None => live::live(arguments.burst).await?,
    };
    println!("{}", finding::table(&findings));
    let short = findings.iter().any(|finding| !finding.holds());
    Ok(if short { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
