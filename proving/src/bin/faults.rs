//! Faults at random, and whether anything was lost. Exits 1 when something is not as promised.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use clap::Parser;
use epro_proving::faults::cluster;
use epro_proving::faults::field::Ground;
use epro_proving::faults::record::{self, Record, Setting};
use epro_proving::faults::run::{LONGEST, Verdict, run};
use epro_proving::faults::struck::Struck;
use epro_proving::own::{Cluster, NODES};

#[derive(Parser)]
#[command(about = "Strikes a running epro-relay at random, and judges what became of what it accepted")]
struct Arguments {
    /// Runs, each on an epro-relay of its own: 5, or 1 on a cluster
    #[arg(long)]
    runs: Option<u64>,
    /// Seconds of faults in a run
    #[arg(long, default_value_t = 60.0, conflicts_with = "cluster")]
    seconds: f64,
    /// On a RabbitMQ of three nodes instead: the one that leads is killed, and then one that leads is cut off
    #[arg(long)]
    cluster: bool,
    /// The seed of the first run; each further run has the next one
    #[arg(long)]
    seed: Option<u64>,
    /// Appends what each run came to, a line of JSON each
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Only makes PROOF.md's section and plot, and README.md's, of what is recorded in that folder
    #[arg(long, value_name = "FOLDER")]
    draw: Option<PathBuf>,
}

/// What all runs came to.
#[derive(Default)]
struct Total {
    struck: Struck,
    failed: usize,
    /// Accepted, stored, duplicates, dangerous answers, deliveries.
    figures: [usize; 5],
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(docs) = &arguments.draw {
        record::draw(docs)?;
        return Ok(ExitCode::SUCCESS);
    }
    ensure!(arguments.seconds <= LONGEST, "a run is of {LONGEST} seconds at most: make more of them");
    // Two calls may begin in the same second, and each run has the next seed: other runs than theirs, all the same.
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_micros() as u64);
    let first = arguments.seed.unwrap_or_else(now);
    let runs = arguments.runs.unwrap_or(if arguments.cluster { 1 } else { 5 });
    let below = Below::start(arguments.cluster).await?;
    let setting = below.setting().await?;
    for left_out in &setting.left_out {
        eprintln!("LEFT OUT: {left_out}");
    }
    println!(
        "| seed | faults | accepted | stored | quarantined | duplicates | alerts told | delivered once | door, worker MiB | |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let mut total = Total::default();
    for seed in first..first + runs {
        let verdict = below.run(seed, arguments.seconds).await;
        println!("{}", line(&verdict));
        if let Some(file) = &arguments.record {
            Record::of(&verdict, &setting)?.append(file)?;
        }
        if let Err(why) = &verdict.outcome {
            eprintln!("seed {seed}: {why}\nagain: {} --runs 1 --seed {seed}", arguments.command());
        }
        if let Some(kept) = &verdict.kept {
            eprintln!("its logs and tables: {}", kept.display());
        }
        total.add(&verdict);
    }
    total.tell(runs);
    Ok(if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Arguments {
    /// How the same is struck again.
    fn command(&self) -> String {
        let broker = std::env::var("EPRO_DEV_BROKER").map(|version| format!(" --broker {version}"));
        let broker = broker.unwrap_or_default();
        if self.cluster {
            format!("./dev faults --cluster{broker}")
        } else {
            format!("./dev faults{broker} --seconds {}", self.seconds)
        }
    }
}

/// What all runs are on.
enum Below {
    Ground(Ground),
    Cluster(Cluster),
}

impl Below {
    async fn start(cluster: bool) -> Result<Self> {
        if cluster {
            eprintln!("starting {} nodes of RabbitMQ that may be killed", NODES.len());
            return Ok(Self::Cluster(Cluster::start().await?));
        }
        eprintln!("starting a RabbitMQ and a PostgreSQL that may be killed");
        Ok(Self::Ground(Ground::start().await?))
    }

    async fn setting(&self) -> Result<Setting> {
        match self {
            Self::Ground(ground) => Setting::of(ground).await,
            Self::Cluster(cluster) => Setting::on(&cluster.services(NODES[0])?).await,
        }
    }

    async fn run(&self, seed: u64, seconds: f64) -> Verdict {
        match self {
            Self::Ground(ground) => run(ground, seed, seconds).await,
            Self::Cluster(cluster) => cluster::run(cluster, seed).await,
        }
    }
}

impl Total {
    fn add(&mut self, verdict: &Verdict) {
        self.struck.add(&verdict.struck);
        let Ok(account) = &verdict.outcome else {
            self.failed += 1;
            return;
        };
        let figures =
            [account.accepted, account.stored, account.duplicates, account.alerts, account.deliveries];
        self.figures.iter_mut().zip(figures).for_each(|(all, figure)| *all += figure);
    }

    fn tell(&self, runs: u64) {
        let struck = &self.struck;
        println!("\n{} faults in {runs} runs: {}.", struck.count(), list(&struck.faults));
        if !struck.void.is_empty() {
            println!("Void, nothing shows that they struck: {}.", list(&struck.void));
        }
        println!(
            "{} hops broke after a silence, {} silences of 12 s and more, {} messages lost with their queues.",
            struck.broken, struck.long, struck.lost
        );
        let [accepted, stored, duplicates, alerts, deliveries] = self.figures;
        println!(
            "{accepted} accepted, {stored} stored, {duplicates} duplicates, {alerts} dangerous answers told, {deliveries} delivered once."
        );
        println!("{} of {runs} runs as promised.", runs - self.failed as u64);
    }
}

fn list(counts: &BTreeMap<String, usize>) -> String {
    counts.iter().map(|(kind, count)| format!("{kind} {count}")).collect::<Vec<_>>().join(", ")
}

fn line(verdict: &Verdict) -> String {
    let faults = verdict.struck.count();
    let (warm, now) = (verdict.warm, verdict.memory);
    let memory = format!("{:.0} > {:.0}, {:.0} > {:.0}", warm.door, now.door, warm.worker, now.worker);
    let counted = match &verdict.outcome {
        Ok(a) => format!(
            "{} | {} | {} | {} | {} | {} | {memory} | ok",
            a.accepted, a.stored, a.quarantined, a.duplicates, a.alerts, a.deliveries
        ),
        Err(_) => format!(" | | | | | | {memory} | **not as promised**"),
    };
    format!("| {} | {faults} | {counted} |", verdict.seed)
}
