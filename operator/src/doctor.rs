//! `epro doctor`: what is wrong, what follows from it, and what to do. Exit code 1 if an operator has to do it.

mod addresses;
mod broker;
mod channels;
mod database;
mod hospitals;
mod lost;
mod queues;
mod tables;
mod validity;

use std::process::ExitCode;

use serde::Serialize;

use crate::outside::Outside;
use crate::screen;

/// Something that is wrong.
#[derive(Serialize)]
pub(crate) struct Finding {
    /// Whether it stays so until an operator acts; what mends itself, or was done on purpose, is only told.
    act: bool,
    /// What.
    finding: String,
    /// What follows from it.
    consequence: String,
    /// What to do.
    fix: String,
}

impl Finding {
    fn new(finding: impl Into<String>, consequence: &str, fix: &str) -> Self {
        Self { act: true, finding: finding.into(), consequence: consequence.to_owned(), fix: fix.to_owned() }
    }

    /// The same for what is only told.
    fn note(finding: impl Into<String>, consequence: &str, fix: &str) -> Self {
        Self { act: false, ..Self::new(finding, consequence, fix) }
    }
}

/// Looks everywhere, and tells all findings.
pub(crate) async fn run(outside: &Outside<'_>, json: bool) -> anyhow::Result<ExitCode> {
    let store = outside.store()?;
    let mut findings = tables::look(outside, &store).await;
    findings.extend(queues::look(outside, &store).await);
    findings.extend(broker::look(outside).await);
    findings.extend(lost::look(outside, &store).await);
    findings.extend(channels::look(outside.config).await);
    findings.extend(addresses::look(outside.config).await);
    // What has to be done comes first.
    findings.sort_by_key(|finding| !finding.act);
    if json {
        screen::json(&findings)?;
    } else if findings.is_empty() {
        screen::line("nothing is wrong")?;
    } else {
        let act = |found: &Finding| if found.act { "act" } else { "note" }.to_owned();
        let rows = findings.iter().map(|found| {
            vec![act(found), found.finding.clone(), found.consequence.clone(), found.fix.clone()]
        });
        screen::table(&["", "finding", "consequence", "what to do"], rows)?;
    }
    Ok(if findings.iter().any(|found| found.act) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
