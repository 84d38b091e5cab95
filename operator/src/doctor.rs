//! `epro doctor`: what is wrong, what follows from it, and what to do. Exit code 1 if an operator has to do it.

mod addresses;
mod broker;
mod certificates;
mod channels;
mod database;
mod disk;
mod hospitals;
mod lost;
mod permissions;
mod queues;
mod tables;
mod trail;
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
    findings.extend(certificates::files(outside.config));
    findings.extend(disk::exports(outside.config));
    // What has to be done comes first.
    findings.sort_by_key(|finding| !finding.act);
    let wrong = findings.iter().any(|found| found.act);
    if json {
        screen::json(&findings)?;
    } else {
        show(&findings, wrong)?;
    }
    Ok(if wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn show(findings: &[Finding], wrong: bool) -> anyhow::Result<()> {
    if !findings.is_empty() {
        let act = |found: &Finding| if found.act { "act" } else { "note" }.to_owned();
        let rows = findings.iter().map(|found| {
            vec![act(found), found.finding.clone(), found.consequence.clone(), found.fix.clone()]
        });
        screen::table(&["", "finding", "consequence", "what to do"], rows)?;
    }
    if wrong { Ok(()) } else { screen::line("nothing is wrong; a note wants nobody now") }
}
