//! What must be true when the dust has settled: by our own SQL, the broker's own word, and the logs of the
//! patients, the hospital and the mail server.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use uuid::Uuid;

use super::field::{PACE, World};
use super::patients::Accepted;
use crate::client::Client;
use crate::conservation;
use crate::database::Link;
use crate::foreign::diary::Diary;
use crate::until;

/// How long what was accepted may take to have all its consequences, once nothing is struck any more.
const PATIENCE: Duration = Duration::from_secs(180);

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Different submissions that were answered 202.
    pub accepted: usize,
    /// Stored.
    pub stored: usize,
    /// Quarantined: each was in hand alone when a process was killed, twice.
    pub quarantined: usize,
    /// Copies that came after the stored one.
    pub duplicates: usize,
    /// Dangerous answers, each with an alert that somebody was told of.
    pub alerts: usize,
    /// Deliveries, each at the hospital once.
    pub deliveries: usize,
}

/// Everything at once; an error names all that is wrong.
pub(super) async fn judge(world: &World<'_>, client: &Client, accepted: &[Accepted]) -> Result<Account> {
    let link = world.stack.database().connect().await?;
    let mut wrong = Vec::new();
    if let Err(error) = told(world, &link, accepted).await {
        wrong.push(format!("{error:#}"));
    }
    if let Err(error) = delivered(&link).await {
        wrong.push(format!("{error:#}"));
    }
    let kept = match conservation::within(PATIENCE, &world.stack, &client.log()).await {
        Ok(kept) => kept,
        Err(error) => {
            wrong.push(format!("{error:#}"));
            conservation::Account::default()
        }
    };
    let deliveries = at_the_hospital(world, &link, &mut wrong).await?;
    pace(world, &mut wrong);
    let other = "SELECT count(*) FROM ops.dead_letter WHERE state = 'open' AND class <> 'quarantined'";
    let other = link.count(other).await?;
    if other > 0 {
        wrong.push(format!("{other} dead letters of good submissions"));
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    Ok(Account {
        accepted: kept.accepted,
        stored: kept.stored,
        quarantined: kept.dead,
        duplicates: kept.duplicates,
        alerts: accepted.iter().filter(|accepted| accepted.dangerous).count(),
        deliveries,
    })
}

/// Every dangerous answer that was accepted has an alert, and a mail about it is in the inbox.
async fn told(world: &World<'_>, link: &Link, accepted: &[Accepted]) -> Result<()> {
    let dangerous: Vec<Uuid> =
        accepted.iter().filter(|accepted| accepted.dangerous).map(|accepted| accepted.id).collect();
    let missing = || async {
        let rows = link.client.query("SELECT submission_id, alert_id FROM ops.alert", &[]).await?;
        let alerts: BTreeMap<Uuid, Uuid> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let mails = world.inbox.mails()?;
        let text: String = mails.iter().map(|mail| mail.text.as_str()).collect();
        let untold = dangerous
            .iter()
            .filter(|id| alerts.get(id).is_none_or(|alert| !text.contains(&alert.to_string())));
        Ok::<_, anyhow::Error>(untold.count())
    };
    let waited = until("every dangerous answer to be told", PATIENCE, || async {
        Ok((missing().await? == 0).then_some(()))
    });
    if waited.await.is_err() {
        bail!("{} of {} dangerous answers were told to nobody", missing().await?, dangerous.len());
    }
    Ok(())
}

/// Nothing waits for a hospital any more.
async fn delivered(link: &Link) -> Result<()> {
    let open = "SELECT count(*) FROM ops.delivery WHERE state <> 'done'";
    let waited = until("every delivery to be done", PATIENCE, || async {
        Ok((link.count(open).await? == 0).then_some(()))
    });
    if waited.await.is_err() {
        bail!("{} deliveries are not done", link.count(open).await?);
    }
    Ok(())
}

/// The hospital has each delivery, and each once.
async fn at_the_hospital(world: &World<'_>, link: &Link, wrong: &mut Vec<String>) -> Result<usize> {
    let mut all = 0;
    let stored = world.hospital.stored();
    for (site, kind) in [("H001", "QuestionnaireResponse"), ("H002", "ORU")] {
        let done = format!("SELECT count(*) FROM ops.delivery WHERE site_id = '{site}' AND state = 'done'");
        let done = usize::try_from(link.count(&done).await?).context("a count")?;
        let records: Vec<_> = stored.iter().filter(|record| record.kind == kind).collect();
        if records.len() != done {
            wrong.push(format!("{done} deliveries to {site} are done, the hospital has {}", records.len()));
        }
        let twice = records.iter().filter(|record| record.versions.len() != 1).count();
        if twice > 0 {
            wrong.push(format!("{twice} deliveries to {site} were written more than once"));
        }
        all += done;
    }
    Ok(all)
}

/// By the hospital's own log, no second saw more calls than it allows.
fn pace(world: &World<'_>, wrong: &mut Vec<String>) {
    let calls = world.hospital.calls();
    for kind in ["fhir", "hl7"] {
        let some: Vec<_> = calls.iter().filter(|call| call.kind == kind).cloned().collect();
        let busiest = Diary::of(&some).busiest(1.0);
        if busiest as f64 > PACE + 1.0 {
            wrong.push(format!("the hospital saw {busiest} {kind} calls in a second, and allows {PACE}"));
        }
    }
}
