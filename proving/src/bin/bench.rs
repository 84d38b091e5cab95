//! The speed and memory table: ratios in one run, medians of interleaved rounds.
//! Exits 1 when a goal is missed.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::LazyLock;

use anyhow::{Context, Result, ensure};
use clap::builder::PossibleValue;
use clap::{Parser, ValueEnum};
use epro_proving::bench::ground::Ground;
use epro_proving::bench::rounds::{Figures, Pair, Size, Supplies, round};
use epro_proving::bench::{
    depth, exports, growth, handshakes, idle, lines, load, page, refusals, report, trail,
};

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
    /// A million submissions for memory, backlog and export, not 100,000 and 200,000
    #[arg(long)]
    million: bool,
    /// Measure only these, e.g. --only api,whole
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Measure only how figures grow with workers, what is queued, hospitals and bodies
    #[arg(long)]
    growth: bool,
    /// Write everything, round by round, to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// Measure nothing: write docs/PROOF.md and README.md anew of the runs that are recorded below this folder
    #[arg(long, hide = true)]
    draw: Option<PathBuf>,
}

/// What can be measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// In each round.
    Pair(Pair),
    /// Once, after the rounds.
    Once(Once),
}

impl ValueEnum for Part {
    fn value_variants<'a>() -> &'a [Self] {
        static ALL: LazyLock<Vec<Part>> = LazyLock::new(|| {
            let pairs = Pair::value_variants().iter().copied().map(Part::Pair);
            pairs.chain(Once::value_variants().iter().copied().map(Part::Once)).collect()
        });
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self {
            Self::Pair(pair) => pair.to_possible_value(),
            Self::Once(once) => once.to_possible_value(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Once {
    /// Memory with a deep queue behind.
    Memory,
    /// A bulk export beside `COPY`.
    Export,
    /// How fast a copy of the audit trail is checked.
    Trail,
    /// Memory beside ten thousand idle connections.
    Idle,
    /// Memory beside TLS handshakes that never end.
    Handshakes,
    /// Rows of the audit trail of a million refused requests.
    Refusals,
}

/// What is said instead of a figure.
const TOO_FEW_FILES: &str = "NOT MEASURED: a process may open too few files here (ulimit -n)";

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(docs) = &arguments.draw {
        page::draw(docs)?;
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.growth {
        return grow(arguments.json.as_deref()).await;
    }
    let size = Size { drain: arguments.drain, requests: arguments.requests, open: arguments.seconds * 2000 };
    ensure!(size.requests.max(size.open) <= size.drain, "the drain must have the most submissions");
    let ground = Ground::new().await?;
    eprintln!("preparing {} submissions, with and without a hospital", 2 * size.drain);
    let queued = if arguments.million { 1_000_000 } else { 100_000 };
    let supplies = Supplies {
        plain: ground.load("H004", size.drain).await.context("prepare")?,
        hospital: ground.load("H001", size.drain).await.context("prepare")?,
        closed: load::requests(ground.stack.minter(), "ONC-301", "H004", size.requests)?,
        open: load::requests(ground.stack.minter(), "ONC-301", "H004", size.open)?,
        size,
        deepest: queued,
    };
    let parts = match arguments.only.is_empty() {
        true => Part::value_variants(),
        false => &arguments.only,
    };
    let pairs: Vec<Pair> = parts
        .iter()
        .filter_map(|part| if let Part::Pair(pair) = part { Some(*pair) } else { None })
        .collect();
    let wanted = |once| parts.contains(&Part::Once(once));
    let mut figures = Figures::default();
    let rounds = if pairs.is_empty() { 0 } else { arguments.rounds };
    for number in 0..rounds {
        eprintln!("round {} of {}", number + 1, rounds);
        round(&ground, &supplies, &pairs, number, &mut figures).await?;
        for (name, values) in &figures.0 {
            eprintln!("  {name:<16} {:>10.2}", values.last().copied().unwrap_or_default());
        }
    }
    let template = supplies.plain.messages.first().context("no messages")?;
    let depth = match wanted(Once::Memory) {
        false => None,
        true => {
            eprintln!("memory with {queued} queued");
            Some(depth::measure(&ground, template, queued, &supplies.closed).await?)
        }
    };
    let exported = match wanted(Once::Export) {
        false => None,
        true => {
            let rows = if arguments.million { 1_000_000 } else { 200_000 };
            eprintln!("an export of {rows} submissions");
            Some(exports::measure(&ground, rows).await?)
        }
    };
    let mut lines = lines::of_figures(&figures, depth.as_ref())?;
    if wanted(Once::Trail) {
        eprintln!("a copy of the audit trail");
        lines.extend(lines::of_trail(&trail::measure(&ground, &supplies.plain).await?)?);
    }
    if wanted(Once::Idle) {
        eprintln!("10,000 idle connections");
        match idle::measure(&ground, &supplies.closed, supplies.plain.site).await? {
            Some(idle) => lines.extend(lines::of_idle(&idle)),
            None => eprintln!("{TOO_FEW_FILES}"),
        }
    }
    if wanted(Once::Handshakes) {
        eprintln!("2,000 TLS handshakes that never end");
        match handshakes::measure(&ground, &supplies.closed, supplies.plain.site).await? {
            Some(handshakes) => lines.extend(lines::of_handshakes(&handshakes)),
            None => eprintln!("{TOO_FEW_FILES}"),
        }
    }
    if wanted(Once::Refusals) {
        eprintln!("1,000,000 refused requests");
        lines.extend(lines::of_refusals(&refusals::measure(&ground, supplies.plain.site).await?));
    }
    if let Some(exported) = &exported {
        lines.extend(lines::of_exports(exported)?);
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

/// No figure of it has a goal.
async fn grow(json: Option<&Path>) -> Result<ExitCode> {
    let run = growth::measure().await?;
    println!("{}", growth::table(&growth::series(&run)?));
    if let Some(file) = json {
        std::fs::write(file, serde_json::to_string_pretty(&run)?).context("write the JSON file")?;
    }
    Ok(ExitCode::SUCCESS)
}
