//! Records what the whole suite of tests came to on one RabbitMQ: a line of JSON.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use epro_proving::brokers::Suite;
use epro_proving::services::Services;

#[derive(Parser)]
#[command(about = "Records what the whole suite of tests came to: for ./dev test --record")]
struct Arguments {
    /// The version of RabbitMQ that was asked for, if it isn't the system's
    #[arg(long)]
    asked: Option<String>,
    /// What `cargo test` wrote; without it that RabbitMQ could not be had
    #[arg(long, requires = "status")]
    log: Option<PathBuf>,
    /// Seconds that it took
    #[arg(long, default_value_t = 0)]
    seconds: u64,
    /// What it left with
    #[arg(long)]
    status: Option<i32>,
    /// The file that gets the line
    #[arg(long, value_name = "FILE")]
    record: PathBuf,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let Arguments { asked, log, seconds, status, record } = Arguments::parse();
    let suite = match log {
        Some(log) => {
            let log = std::fs::read(&log).with_context(|| format!("read {}", log.display()))?;
            let log = String::from_utf8_lossy(&log);
            Suite::of(asked, &Services::from_env()?, &log, seconds, status == Some(0)).await?
        }
        None => Suite::not_to_be_had(asked)?,
    };
    suite.append(&record)
}
