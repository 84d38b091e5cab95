//! The sample evening: real input and everything that goes wrong, with what must become of it
//! written by hand, compared through SQL and HTTP.

mod deliveries;
mod fhir;
mod judge;
mod line;
mod look;
mod mails;
mod reports;
mod send;
mod table;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

pub use deliveries::Delivered;
pub use judge::Verdict;
pub use line::{Expect, Line, Lines};
pub use mails::Told;
pub use reports::Reported;
pub use table::{alerts, deliveries, reports, table, try_it};

use crate::client::Client;
use crate::database::Link;
use crate::sealed::Keys;
use deliveries::Hospitals;
use look::Looker;

/// A running relay to send the evening to.
#[derive(Clone, Debug)]
pub struct Evening {
    /// `http://host:port` of the API.
    pub api: String,
    /// Folder with `keys/`, as [`crate::sample::Sample::write`] left it.
    pub folder: PathBuf,
    /// PostgreSQL, as somebody who may read everything.
    pub database: String,
    /// How long what was accepted may take to be settled.
    pub patience: Duration,
    /// Folder of the mail server that takes notices, as `smtp/inbox.py` keeps it, if there is one.
    pub inbox: Option<PathBuf>,
    /// Control doors of the sample hospitals behind it; without one nothing is said about deliveries.
    pub hospitals: Vec<String>,
    /// The one of them that fails until it has been called a few times.
    pub fails: Option<String>,
}

/// So many calls fail before a hospital that fails is well again: enough for its breaker to open.
const FAILURES: usize = 6;

/// What became of the evening.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// One for each line.
    pub verdicts: Vec<Verdict>,
    /// Each alert's way to the inbox; empty without one.
    pub alerts: Vec<Told>,
    /// Each delivery's way to its hospital; empty without one.
    pub deliveries: Vec<Delivered>,
    /// A report of each hospital; empty without one.
    pub reports: Vec<Reported>,
}

impl Evening {
    /// Sends every line under fresh ids, waits until each is settled, and judges it.
    pub async fn run(&self) -> Result<Outcome> {
        let lines = Lines::shipped()?;
        let minter = crate::sample::minter(&self.folder)?;
        let client = Client::new(&self.api, minter)?;
        let link = Link::open(&self.database).await.context("the evening's own look at the tables")?;
        let looker = Looker::new(link, Keys::read(&self.folder)?);
        let sent = send::all(&lines, &client, &looker, self.patience).await?;
        let mut verdicts = Vec::new();
        for one in &sent {
            looker.settled(one, self.patience).await;
        }
        for one in &sent {
            verdicts.push(judge::judge(one, &sent, &client, &looker).await?);
        }
        let mut alerts = Vec::new();
        if let Some(inbox) = &self.inbox {
            for (one, verdict) in sent.iter().zip(&mut verdicts) {
                let told = mails::told(one, &looker, inbox, self.patience).await?;
                verdict.surprises.extend(told.iter().filter_map(Told::surprise));
                alerts.extend(told);
            }
        }
        let mut deliveries = Vec::new();
        if !self.hospitals.is_empty() {
            let hospitals = Hospitals::new(&self.hospitals)?;
            if let Some(door) = &self.fails {
                hospitals.recover(door, FAILURES, self.patience).await?;
            }
            for (n, delivered) in hospitals.delivered(&sent, &looker, self.patience).await? {
                verdicts[n].surprises.extend(delivered.surprise.clone());
                deliveries.push(delivered);
            }
        }
        let reports = reports::all(&client, &deliveries).await?;
        Ok(Outcome { verdicts, alerts, deliveries, reports })
    }
}
