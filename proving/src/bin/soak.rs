//! A soak: half of the measured load for an hour. Exits 1 when something isn't what it must be.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use epro_proving::days::finding;
use epro_proving::soak::{self, Body, Plan};

#[derive(Parser)]
#[command(about = "Sends at a steady rate for long, and looks whether anything grows or is lost")]
struct Arguments {
    /// How long
    #[arg(long, default_value_t = 60.0)]
    minutes: f64,
    /// Submissions a second; without it half of what docs/proof/bench.json says that the whole route does
    #[arg(long)]
    rate: Option<f64>,
    /// What each submission is; without it usual, if the disk has room for so many, else small
    #[arg(long, value_enum)]
    body: Option<Body>,
    /// Write everything, look by look, to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// The run of ./dev bench that says how much the whole route does
    #[arg(long, hide = true, default_value = "docs/proof/bench.json")]
    measured: PathBuf,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let rate = match arguments.rate {
        Some(rate) => rate,
        None => soak::usual_rate(&arguments.measured)?,
    };
    ensure!(rate > 0.0 && arguments.minutes > 0.0, "--rate and --minutes must be above 0");
    let record = soak::run(&Plan { minutes: arguments.minutes, rate, body: arguments.body }).await?;
    let findings = record.findings();
    println!("{}", finding::table(&findings));
    if let Some(wrong) = &record.wrong {
        println!("{wrong}");
    }
    if let Some(file) = &arguments.json {
        std::fs::write(file, serde_json::to_string_pretty(&record)?).context("write the JSON file")?;
    }
    let short = findings.iter().any(|finding| !finding.holds());
    Ok(if short { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
