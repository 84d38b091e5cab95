//! Bad days, of the hospitals' and the alerts' lanes above all. Exits 1 when a figure isn't what it must be.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use epro_proving::days::finding::{self, Finding};
use epro_proving::days::{evening, limit, many, notices, outage, pause, record, silence};

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Day {
    /// Replicas come, go, are killed and stand still
    Limit,
    /// A hospital is down for two hours
    Outage,
    /// Nobody can be told of an alert for two hours
    Silence,
    /// Dangerous answers behind a backlog
    Notices,
    /// Four hundred hospitals
    Many,
    /// Lanes and hospitals are paused while everything flows
    Pause,
    /// 20,000 patients' evening at ten times its real peak
    Evening,
}

#[derive(Parser)]
#[command(about = "Lives through bad days and measures them")]
struct Arguments {
    /// Only these, e.g. --only limit,outage
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Day>,
    /// Write every figure to this file
    #[arg(long)]
    json: Option<PathBuf>,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let days = match arguments.only.is_empty() {
        true => Day::value_variants(),
        false => &arguments.only,
    };
    let mut findings: Vec<Finding> = Vec::new();
    for day in days {
        eprintln!("living through: {day:?}");
        let mut more = match day {
            Day::Limit => limit::live().await,
            Day::Outage => outage::live().await,
            Day::Silence => silence::live().await,
            Day::Notices => notices::live().await,
            Day::Many => many::live().await,
            Day::Pause => pause::live().await,
            Day::Evening => evening::live().await,
        }
        .with_context(|| format!("{day:?}"))?;
        eprintln!("{}", finding::table(&more));
        findings.append(&mut more);
    }
    println!("{}", finding::table(&findings));
    if let Some(file) = &arguments.json {
        let run = record::run(&findings).await?;
        std::fs::write(file, serde_json::to_string_pretty(&run)?).context("write the JSON file")?;
    }
    let short = findings.iter().any(|finding| !finding.holds());
    Ok(if short { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
