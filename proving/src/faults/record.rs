//! What runs came to, a line of JSON each; and what docs/PROOF.md and README.md say of them, made of nothing else.

mod cluster;
mod page;
mod plot;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::field::Ground;
use super::in_use::Memory;
use super::judge::Account;
use super::plan::Need;
use super::run::Verdict;
use super::struck::Struck;
use crate::services::Services;
use crate::{brokers, journal, readme, section};

/// Where runs are recorded and drawn, below the folder of the documentation.
const RUNS: &str = "proof/faults.jsonl";
const CLUSTER: &str = "proof/cluster.jsonl";
const PLOT: &str = "proof/faults.svg";
const PAGE: &str = "PROOF.md";

/// What was the same in every run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Setting {
    /// The commit, with `-dirty` where something was changed since.
    pub commit: Option<String>,
    /// Version of RabbitMQ.
    pub rabbitmq: String,
    /// Version of PostgreSQL.
    pub postgresql: String,
    /// Faults that could not be had there, and what they take.
    pub left_out: Vec<String>,
}

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// When it had ended, RFC 3339 in UTC.
    pub at: String,
    /// What its faults are made of.
    pub seed: u64,
    /// From its first fault to its last, in seconds.
    pub seconds: f64,
    /// On what.
    pub setting: Setting,
    /// Its faults.
    pub struck: Struck,
    /// What was counted, if all was as promised.
    pub account: Option<Account>,
    /// What was not.
    pub wrong: Option<String>,
    /// Memory before the first fault, at its highest.
    pub warm: Memory,
    /// Memory since then, at its highest; in records of before it was looked at, nothing.
    #[serde(default)]
    pub peak: Memory,
    /// Memory at the end.
    pub memory: Memory,
}

impl Setting {
    /// What a ground says of itself.
    pub async fn of(ground: &Ground) -> Result<Self> {
        let left_out = Need::ALL.into_iter().filter(|need| !ground.has(*need));
        let left_out = left_out.map(|need| need.left_out().to_owned()).collect();
        Ok(Self { left_out, ..Self::on(&ground.services()?).await? })
    }

    /// What services say of themselves, where nothing is left out.
    pub async fn on(services: &Services) -> Result<Self> {
        let (rabbitmq, postgresql) = services.versions().await?;
        Ok(Self { commit: journal::commit(), rabbitmq, postgresql, left_out: Vec::new() })
    }
}

impl Record {
    /// What a verdict says, now.
    pub fn of(verdict: &Verdict, setting: &Setting) -> Result<Self> {
        Ok(Self {
            at: journal::now()?,
            seed: verdict.seed,
            seconds: (verdict.took.as_secs_f64() * 10.0).round() / 10.0,
            setting: setting.clone(),
            struck: verdict.struck.clone(),
            account: verdict.outcome.as_ref().ok().cloned(),
            wrong: verdict.outcome.as_ref().err().cloned(),
            warm: verdict.warm,
            peak: verdict.peak,
            memory: verdict.memory,
        })
    }

    /// Adds it to a file, as its last line.
    pub fn append(&self, file: &Path) -> Result<()> {
        journal::append(file, self)
    }
}

/// What docs/PROOF.md and its plot have to be, by what is recorded: their contents, in this order. Nothing is drawn
/// before there is a run.
pub fn drawn(docs: &Path) -> Result<(String, Option<String>)> {
    let records = read(&docs.join(RUNS))?;
    let page = std::fs::read_to_string(docs.join(PAGE)).context("docs/PROOF.md")?;
    let page = section::replaced(&page, "faults", &page::section(&records, PLOT))?;
    let page = section::replaced(&page, "brokers", &brokers::section(docs)?)?;
    let page = section::replaced(&page, "cluster", &cluster::section(&read(&docs.join(CLUSTER))?))?;
    Ok((page, (!records.is_empty()).then(|| plot::svg(&records))))
}

/// What README.md has to be by the same.
pub fn in_readme(docs: &Path) -> Result<String> {
    readme::with(docs, "faults", &page::in_short(&read(&docs.join(RUNS))?))
}

/// Writes all of them.
pub fn draw(docs: &Path) -> Result<()> {
    let (page, plot) = drawn(docs)?;
    std::fs::write(docs.join(PAGE), page)?;
    std::fs::write(readme::path(docs), in_readme(docs)?)?;
    if let Some(plot) = plot {
        std::fs::write(docs.join(PLOT), plot)?;
    }
    Ok(())
}

/// The plot as it is there.
pub fn plotted(docs: &Path) -> Option<String> {
    std::fs::read_to_string(docs.join(PLOT)).ok()
}

/// No file: no run.
fn read(file: &Path) -> Result<Vec<Record>> {
    journal::read(file)
}

/// What was struck in all of them.
fn in_all(records: &[Record]) -> Struck {
    let mut all = Struck::default();
    records.iter().for_each(|record| all.add(&record.struck));
    all
}

/// Kinds with how often each was, the most frequent first.
fn sorted(counts: &BTreeMap<String, usize>) -> Vec<(&str, usize)> {
    let mut sorted: Vec<_> = counts.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
    sorted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    sorted
}

#[cfg(test)]
mod tests;
