//! Sends the sample evening and says what became of every line. Exits 1 on any surprise.
#![allow(clippy::print_stdout, reason = "a program for people")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use epro_proving::evening::{Evening, Outcome, alerts, deliveries, reports, table, try_it};
use epro_proving::sample;
use serde_json::Value;

#[derive(Parser)]
#[command(about = "Sends the sample evening, waits, and compares what became of it through SQL and HTTP")]
struct Arguments {
    /// http://host:port of the API
    #[arg(long, env = "EPRO_API_URL")]
    api: String,
    /// Folder with config.yaml and keys/, as sample-config wrote it
    #[arg(long)]
    folder: PathBuf,
    /// PostgreSQL; otherwise as config.yaml says
    #[arg(long, env = "EPRO_DATABASE_URL", hide_env_values = true)]
    database: Option<String>,
    /// Folder of the mail server that takes notices of alerts
    #[arg(long)]
    inbox: Option<PathBuf>,
    /// Control door of a sample hospital behind the relay; as often as there are hospitals
    #[arg(long)]
    hospital: Vec<String>,
    /// Control door of the hospital that fails at first, and is told to be well after a few calls
    #[arg(long)]
    fails: Option<String>,
    /// Seconds that accepted submissions may take to be settled
    #[arg(long, default_value_t = 60)]
    patience: u64,
    /// The operators' console, to print a token for it
    #[arg(long)]
    console: Option<String>,
    /// More addresses to print, NAME=URL
    #[arg(long)]
    url: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let database = match &arguments.database {
        Some(url) => url.clone(),
        None => configured(&arguments.folder)?,
    };
    let evening = Evening {
        api: arguments.api.trim_end_matches('/').to_owned(),
        folder: arguments.folder.clone(),
        database,
        patience: Duration::from_secs(arguments.patience),
        inbox: arguments.inbox.clone(),
        hospitals: arguments.hospital.clone(),
        fails: arguments.fails.clone(),
    };
    let Outcome { verdicts, alerts: told, deliveries: delivered, reports: reported } = evening.run().await?;
    println!("{}\n", table(&verdicts));
    if !told.is_empty() {
        println!("each alert's way from the 202 to the inbox:\n{}\n", alerts(&told));
    }
    if !delivered.is_empty() {
        let fails = if arguments.fails.is_some() { " (one of them fails at first)" } else { "" };
        println!("each delivery's way from the 202 to its hospital{fails}:\n{}\n", deliveries(&delivered));
    }
    if !reported.is_empty() {
        println!(
            "what each hospital knows of patient P-0001, asked for by its staff:\n{}\n",
            reports(&reported)
        );
    }
    let strange = reported.iter().any(|one| one.surprise.is_some());
    let bad = verdicts.iter().filter(|verdict| !verdict.surprises.is_empty()).count();
    println!("{} lines, {} as expected, {bad} not\n", verdicts.len(), verdicts.len() - bad);
    println!("  api        {}\n  docs       {}/docs", evening.api, evening.api);
    for (name, url) in arguments.url.iter().filter_map(|pair| pair.split_once('=')) {
        println!("  {name:<10} {url}");
    }
    let minter = sample::minter(&arguments.folder)?;
    println!("\n{}", try_it(&evening.api, &minter)?);
    if let Some(console) = &arguments.console {
        let token = minter.operator("ann", &["viewer", "operator", "steward"])?;
        println!("\nthe console is at {console}; sign in, within an hour, with\n\n{token}");
    }
    Ok(if bad == 0 && !strange { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn configured(folder: &std::path::Path) -> Result<String> {
    let text = std::fs::read_to_string(folder.join("config.yaml")).context("read config.yaml")?;
    let config: Value = serde_saphyr::from_str(&text)?;
    config["postgres"]["url"].as_str().map(str::to_owned).context("config.yaml has no postgres.url")
}
