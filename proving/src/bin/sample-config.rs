//! Writes the sample configuration: config.yaml and its keys. Keys that are there stay.
#![allow(clippy::print_stdout, reason = "a program for people")]

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use epro_proving::sample::Sample;
use serde_json::Value;

#[derive(Parser)]
#[command(about = "Writes config.yaml and keys/ for given services into a folder")]
struct Arguments {
    /// Where to; made if it isn't there
    #[arg(long)]
    folder: PathBuf,
    /// AMQP URL with its vhost
    #[arg(long)]
    broker: String,
    /// Management URL with user and password
    #[arg(long)]
    management: String,
    /// PostgreSQL URL
    #[arg(long)]
    postgres: String,
    /// Port of a mail server on 127.0.0.1 that takes notices of alerts
    #[arg(long)]
    smtp: Option<u16>,
    /// JSON to lay over the configuration, e.g. '{"worker":{"chunk":4}}'
    #[arg(long)]
    overlay: Option<String>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let overlay = match &arguments.overlay {
        Some(text) => serde_json::from_str(text).context("--overlay is not JSON")?,
        None => Value::Null,
    };
    let sample = Sample {
        broker: arguments.broker,
        management: arguments.management,
        postgres: arguments.postgres,
        smtp: arguments.smtp,
        overlay,
    };
    std::fs::create_dir_all(&arguments.folder)?;
    // Paths in the configuration must not depend on where a process is started.
    let folder = arguments.folder.canonicalize()?;
    sample.write(&folder)?;
    println!("{}", folder.join("config.yaml").display());
    Ok(())
}
