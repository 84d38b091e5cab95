//! What the tables say.

use epro_process::config::Config;
use epro_store::{Store, StoreError};
use time::OffsetDateTime;

use super::{Finding, hospitals};
use crate::outside::Outside;

/// Conditions whose cause the doctor looks at itself, as it is now.
const LOOKED_AT: [&str; 5] =
    ["hospital-closed", "delivery-overdue", "paused-itself", "alert-unacknowledged", "broker-away"];
/// Follow-ons that are counted at most.
const MOST: u32 = 1000;

pub(super) async fn look(outside: &Outside<'_>, store: &Store) -> Vec<Finding> {
    match found(outside, store).await {
        Ok(findings) => findings,
        Err(error) => vec![Finding::new(
            format!("PostgreSQL: {error}"),
            "what is accepted waits in its queue; people are told of dangerous answers all the same",
            "bring PostgreSQL back; workers go on by themselves",
        )],
    }
}

async fn found(outside: &Outside<'_>, store: &Store) -> Result<Vec<Finding>, StoreError> {
    let missing = store.missing_migrations().await?;
    if !missing.is_empty() {
        let finding = format!("migrations are missing: {}", missing.join(", "));
        return Ok(vec![Finding::new(
            finding,
            "processes of this version don't become ready",
            "epro migrate",
        )]);
    }
    let mut findings = alerts(outside.config, store).await?;
    findings.extend(hospitals::found(outside, store).await?);
    let unsent = store.unsent(MOST).await?.len();
    if unsent > 0 {
        findings.push(Finding::new(
            format!("{unsent} follow-ons are unsent"),
            "their alerts are told from the table, their deliveries wait",
            "look at the broker: a queue is full, missing or blocked; the relay sends them by itself",
        ));
    }
    let conditions = store.open_conditions().await?;
    for condition in conditions.iter().filter(|condition| !LOOKED_AT.contains(&condition.kind.as_str())) {
        findings.push(Finding::new(
            format!("{} {}: {}", condition.kind, condition.key, condition.detail),
            "operators were told when it began",
            "see the finding itself; it clears by itself once it is over",
        ));
    }
    Ok(findings)
}

async fn alerts(config: &Config, store: &Store) -> Result<Vec<Finding>, StoreError> {
    let mut findings = Vec::new();
    let escalation = config.scaled(config.alerts.escalation);
    for site in store.undone_alerts().await? {
        let id = &site.site_id;
        if site.untold > 0 {
            findings.push(Finding::new(
                format!("{} alerts at {id} that nobody was told of", site.untold),
                "a patient may be in danger and nobody knows",
                "call the site; epro alerts list, and look at the channels",
            ));
        }
        if OffsetDateTime::now_utc() - site.oldest > escalation {
            findings.push(Finding::new(
                format!("{} alerts at {id} that nobody has acknowledged in time", site.undone),
                "a patient may be in danger and nobody has it in hand",
                "call the site; epro alerts list; epro alerts close ID --reason, if it is in hand",
            ));
        } else if site.untold == 0 {
            findings.push(Finding::note(
                format!("{} alerts at {id} are told, and nobody has acknowledged them yet", site.undone),
                "the next level is told in time",
                "nothing yet",
            ));
        }
    }
    Ok(findings)
}
