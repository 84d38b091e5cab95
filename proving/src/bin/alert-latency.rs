//! From the 202 to the mail server's accept, behind a backlog. Exits 1 when the goal is missed.
#![allow(clippy::print_stdout, reason = "a program for people")]

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use epro_proving::bench::alerts::{Found, Wanted, measure};

/// The goal for 99 of 100, in milliseconds.
const GOAL: f64 = 2000.0;

#[derive(Parser)]
#[command(about = "Measures how soon a dangerous answer is in the inbox while routine submissions queue")]
struct Arguments {
    /// Routine submissions that are queued before the worker starts
    #[arg(long, default_value_t = 20_000)]
    queued: usize,
    /// Dangerous submissions that are sent then
    #[arg(long, default_value_t = 200)]
    alerts: usize,
    /// How many of them a second
    #[arg(long, default_value_t = 20.0)]
    rate: f64,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<ExitCode> {
    let Arguments { queued, alerts, rate } = Arguments::parse();
    let Found { p50, p99, slowest, queued_at_the_end } = measure(&Wanted { queued, alerts, rate }).await?;
    println!(
        "{alerts} alerts behind {queued} queued ({queued_at_the_end} at the end), ms from 202 to inbox:"
    );
    println!("p50 {p50:.0}   p99 {p99:.0}   slowest {slowest:.0}   goal for p99 {GOAL}");
    Ok(if p99 <= GOAL { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
