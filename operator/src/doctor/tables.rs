//! What the tables say.

use epro_process::config::Config;
use epro_store::conditions::Condition;
use epro_store::{Store, StoreError};
use time::OffsetDateTime;

use super::{Finding, database, hospitals, trail};
use crate::outside::Outside;

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
    findings.extend(database::found(outside, store).await?);
    findings.extend(hospitals::found(outside, store).await?);
    findings.extend(trail::found(outside.config, store).await?);
    let unsent = store.unsent(MOST).await?.len();
    if unsent > 0 {
        findings.push(Finding::new(
            format!("{unsent} follow-ons are unsent"),
            "their alerts are told from the table, their deliveries wait",
            "look at the broker: a queue is full, missing or blocked; the relay sends them by itself",
        ));
    }
    let conditions = store.open_conditions().await?;
    // The cause of these it looks at itself, as it is now.
    let configured = &outside.config.hospitals;
    let looked_at = |condition: &&Condition| match condition.kind.as_str() {
        "hospital-closed" | "delivery-overdue" => configured.contains_key(&condition.key),
        "paused-itself" | "alert-unacknowledged" | "broker-away" | "trail-unanchored" => true,
        _ => false,
    };
    for condition in conditions.iter().filter(|condition| !looked_at(condition)) {
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
