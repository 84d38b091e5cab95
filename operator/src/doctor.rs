//! `epro doctor`: what is wrong, what follows from it, and what to do. Exit code 1 if anything is.

mod channels;
mod queues;
mod tables;

use std::process::ExitCode;

use serde::Serialize;

use crate::outside::Outside;
use crate::screen;

/// Something that is wrong.
#[derive(Serialize)]
pub(crate) struct Finding {
    /// What.
    finding: String,
    /// What follows from it.
    consequence: String,
    /// What to do.
    fix: String,
}

impl Finding {
    fn new(finding: impl Into<String>, consequence: &str, fix: &str) -> Self {
        Self { finding: finding.into(), consequence: consequence.to_owned(), fix: fix.to_owned() }
    }
}

/// Looks everywhere, and tells all findings.
pub(crate) async fn run(outside: &Outside<'_>, json: bool) -> anyhow::Result<ExitCode> {
    let store = outside.store()?;
    let mut findings = tables::look(outside.config, &store).await;
    findings.extend(queues::look(outside, &store).await);
    findings.extend(channels::look(outside.config).await);
    if json {
        screen::json(&findings)?;
    } else if findings.is_empty() {
        screen::line("nothing is wrong")?;
    } else {
        let rows = findings
            .iter()
            .map(|found| vec![found.finding.clone(), found.consequence.clone(), found.fix.clone()]);
        screen::table(&["finding", "consequence", "what to do"], rows)?;
    }
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
