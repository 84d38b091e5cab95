//! An act as it was asked for, so that the audit trail hears of it also when it fails.

use std::time::Duration;

use epro_store::StoreError;
use epro_store::audit::{AuditEvent, AuditFacts};
use serde_json::{Value, json};

use crate::arguments::{
    AlertsCommand, AuditCommand, By, Command, DeadLettersCommand, Redrive, RedriveCommand, TopologyCommand,
};
use crate::outside::{Misconfigured, Outside};
use crate::{deed, screen};

/// How long its row may take: somebody waits at a terminal.
const WITHIN: Duration = Duration::from_secs(5);
/// The longest cause that is written down, in characters.
const LONGEST: usize = 300;

/// Who asked for what.
pub(crate) struct Attempt {
    /// What it would be called in the trail, done.
    action: &'static str,
    by: AuditFacts,
    reason: Option<String>,
    about: Value,
}

impl Attempt {
    /// The act of a command; none if it only looks, or only says what it would do. To anchor is none either: a job
    /// does that every few minutes, its failure is the job's, and a row for each would be a chain for each.
    pub(crate) fn of(command: &Command) -> Option<Self> {
        let (action, by, reason, about) = match command {
            Command::Migrate(by) => ("database.migrated", by, None, Value::Null),
            Command::Topology(TopologyCommand::Apply(by)) => ("topology.applied", by, None, Value::Null),
            Command::Pause(of) => ("pause.set", &of.deed.by, Some(&of.deed.reason), json!(of.what)),
            Command::Resume(of) => ("pause.ended", &of.deed.by, Some(&of.deed.reason), json!(of.what)),
            Command::Alerts(AlertsCommand::Close(of)) => {
                ("alert.closed", &of.deed.by, Some(&of.deed.reason), json!(of.id))
            }
            Command::Reconcile(of) if of.yes => {
                ("queue.reconciled", &of.by, of.reason.as_ref(), json!(of.queue))
            }
            Command::Audit(AuditCommand::Export(of)) => {
                ("audit.exported", &of.deed.by, Some(&of.deed.reason), json!(of.format.as_str()))
            }
            Command::DeadLetters(command) => about_dead_letters(command)?,
            _ => return None,
        };
        Some(Self { action, by: by.into(), reason: reason.cloned(), about })
    }

    /// Writes down that it failed, and why. It has failed as well where that can't be written down, which is said.
    pub(crate) async fn failed(&self, outside: &Outside<'_>, error: &anyhow::Error) {
        // Nothing was tried, or it was done and nobody read on.
        if error.is::<Misconfigured>() || error.is::<screen::Closed>() {
            return;
        }
        let recorded = tokio::time::timeout(WITHIN, self.record(outside, error));
        if let Err(why) = recorded.await.unwrap_or_else(|_| Err(StoreError::SILENT.into())) {
            screen::note(format!("the audit trail doesn't have this attempt: {why:#}"));
        }
    }

    async fn record(&self, outside: &Outside<'_>, error: &anyhow::Error) -> anyhow::Result<()> {
        let store = outside.store()?;
        let why: String = format!("{error:#}").chars().take(LONGEST).collect();
        let details = json!({"reason": self.reason, "about": self.about, "why": why});
        let event = AuditEvent::about(self.action, "failed", self.by.clone(), details);
        match store.record(&mut deed::chain(), &[event]).await {
            Ok(_) => Ok(()),
            // There is no trail yet that could lack anything.
            Err(_) if store.missing_migrations().await.is_ok_and(|missing| !missing.is_empty()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

type Asked<'a> = (&'static str, &'a By, Option<&'a String>, Value);

fn about_dead_letters(command: &DeadLettersCommand) -> Option<Asked<'_>> {
    match command {
        DeadLettersCommand::List(_) => None,
        DeadLettersCommand::Show(of) => {
            of.reveal.then(|| ("dead_letter.revealed", &of.by, of.reason.as_ref(), json!(of.id)))
        }
        DeadLettersCommand::Redrive(of) => about_redrives(of),
        DeadLettersCommand::Discard(of) => of.touched.yes.then(|| {
            ("dead_letter.discarded", &of.deed.by, Some(&of.deed.reason), json!(of.touched.filter.ids))
        }),
    }
}

fn about_redrives(of: &Redrive) -> Option<Asked<'_>> {
    match &of.command {
        None => (of.touched.yes && !of.dry_run)
            .then(|| ("redrive.created", &of.by, of.reason.as_ref(), json!(of.touched.filter.ids))),
        Some(RedriveCommand::List { .. } | RedriveCommand::Show { .. }) => None,
        Some(RedriveCommand::Cancel(one)) => {
            Some(("redrive.cancelled", &one.deed.by, Some(&one.deed.reason), json!(one.redrive)))
        }
        Some(RedriveCommand::Resume(one)) => {
            Some(("redrive.resumed", &one.deed.by, Some(&one.deed.reason), json!(one.redrive)))
        }
    }
}
