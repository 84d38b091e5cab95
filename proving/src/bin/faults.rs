//! Faults at random, and whether anything was lost. Exits 1 when something is not as promised.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use clap::Parser;
use epro_proving::faults::field::Ground;
use epro_proving::faults::run::{Verdict, run};

#[derive(Parser)]
#[command(about = "Strikes a running epro-relay at random, and judges what became of what it accepted")]
struct Arguments {
    /// Runs, each on an epro-relay of its own
    #[arg(long, default_value_t = 5)]
    runs: u64,
    /// Seconds of faults in a run
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
    /// The seed of the first run; each further run has the next one
    #[arg(long)]
    seed: Option<u64>,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let first = arguments.seed.unwrap_or_else(now);
    eprintln!("starting a RabbitMQ and a PostgreSQL that may be killed");
    let ground = Ground::start().await?;
    let (mut faults, mut failed, mut all) = (BTreeMap::new(), Vec::new(), [0; 5]);
    println!(
        "| seed | faults | accepted | stored | quarantined | duplicates | alerts told | delivered once | door, worker MiB | |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for seed in first..first + arguments.runs {
        let verdict = run(&ground, seed, arguments.seconds).await?;
        println!("{}", line(&verdict));
        for (kind, count) in &verdict.faults {
            *faults.entry(*kind).or_insert(0) += count;
        }
        match &verdict.outcome {
            Ok(account) => {
                let figures = [
                    account.accepted,
                    account.stored,
                    account.duplicates,
                    account.alerts,
                    account.deliveries,
                ];
                all.iter_mut().zip(figures).for_each(|(all, figure)| *all += figure);
            }
            Err(why) => {
                eprintln!(
                    "seed {seed}: {why}\nagain: ./dev faults --runs 1 --seed {seed} --seconds {}",
                    arguments.seconds
                );
                failed.push(seed);
            }
        }
    }
    let struck: usize = faults.values().sum();
    let kinds: Vec<String> = faults.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    println!("\n{struck} faults in {} runs: {}.", arguments.runs, kinds.join(", "));
    let [accepted, stored, duplicates, alerts, deliveries] = all;
    println!(
        "{accepted} accepted, {stored} stored, {duplicates} duplicates, {alerts} dangerous answers told, {deliveries} delivered once."
    );
    println!("{} of {} runs as promised.", arguments.runs - failed.len() as u64, arguments.runs);
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn line(verdict: &Verdict) -> String {
    let faults: usize = verdict.faults.values().sum();
    let (door, worker) = verdict.memory;
    let counted = match &verdict.outcome {
        Ok(a) => format!(
            "{} | {} | {} | {} | {} | {} | {door:.0}, {worker:.0} | ok",
            a.accepted, a.stored, a.quarantined, a.duplicates, a.alerts, a.deliveries
        ),
        Err(_) => format!(" | | | | | | {door:.0}, {worker:.0} | **not as promised**"),
    };
    format!("| {} | {faults} | {counted} |", verdict.seed)
}
