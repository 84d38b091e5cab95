//! Whether each hospital gets what is for it.

use epro_process::config::{Config, Lane};
use epro_store::hospitals::HospitalStatus;
use epro_store::{Store, StoreError};
use time::OffsetDateTime;

use super::Finding;
use crate::outside::Outside;

/// All hospitals of the configuration.
pub(super) async fn found(outside: &Outside<'_>, store: &Store) -> Result<Vec<Finding>, StoreError> {
    let mut findings = Vec::new();
    let pauses = store.pauses().await?;
    let all = pauses.iter().find(|pause| pause.stops_lane("hospitals"));
    if let Some(pause) = all {
        findings.push(Finding::note(
            format!("all hospitals are paused by {}: {}", pause.by, pause.reason),
            "what is for them waits in its queues",
            "epro resume hospitals, once the reason is gone",
        ));
    }
    for hospital in store.hospitals(&outside.hospitals()).await? {
        match &hospital.paused {
            Some(reason) => findings.push(paused(&hospital, reason)),
            None if all.is_none() => findings.extend(standing(outside.config, &hospital)),
            None => {}
        }
        findings.extend(overdue(outside.config, &hospital));
    }
    Ok(findings)
}

fn paused(hospital: &HospitalStatus, reason: &str) -> Finding {
    let (site, by) = (&hospital.site_id, hospital.paused_by.as_deref().unwrap_or_default());
    let finding = format!("the hospital of {site} is paused by {by}: {reason}");
    let (consequence, resume) = ("what is for it waits in its queue", format!("epro resume {site}"));
    if hospital.paused_itself() {
        let fix = format!("epro dead-letters list --lane hospitals --site {site}; then {resume}");
        return Finding::new(finding, consequence, &fix);
    }
    Finding::note(finding, consequence, &format!("{resume}, once the reason is gone"))
}

/// Who calls it, and whether it answers.
fn standing(config: &Config, hospital: &HospitalStatus) -> Option<Finding> {
    let (site, waiting) = (&hospital.site_id, hospital.waiting);
    if hospital.owner.is_none() {
        let ours = config.worker.lanes.contains(&Lane::Hospitals);
        return ours.then(|| {
            Finding::new(
                format!("nobody calls the hospital of {site}, {waiting} deliveries wait"),
                "what is for it waits in its queue",
                "look at the workers' /readyz and logs; is one running with the lane hospitals?",
            )
        });
    }
    let gate = hospital.gate.as_deref().filter(|gate| *gate != "closed")?;
    let said = hospital.gate_reason.as_deref().unwrap_or("no reason is known");
    if hospital.denied > 0 {
        return Some(Finding::new(
            format!("the hospital of {site} takes nothing from us: {said}; {waiting} deliveries wait"),
            "nothing is lost, and no attempt is charged; it stays so until somebody mends it",
            "its secret, address or certificate has changed, or ours: see OPERATIONS, 'denies everything'",
        ));
    }
    Some(Finding::note(
        format!(
            "the hospital of {site} isn't called for a while ({gate}): {said}; {waiting} deliveries wait"
        ),
        "nothing is lost, and no attempt is charged",
        "usually nothing: one message probes, and the backlog drains once the hospital is back",
    ))
}

fn overdue(config: &Config, hospital: &HospitalStatus) -> Option<Finding> {
    let (since, bound) = (hospital.oldest?, config.scaled(config.alerts.system.oldest_delivery));
    let site = &hospital.site_id;
    (OffsetDateTime::now_utc() - since > bound).then(|| {
        Finding::new(
            format!(
                "{} deliveries wait for the hospital of {site}, the oldest for too long",
                hospital.waiting
            ),
            "the hospital doesn't know what its patients said",
            "epro hospitals says what it last answered; talk to the hospital",
        )
    })
}
