//! What was collected, and what wasn't, is sealed and written down.

use std::time::Duration;

use epro_schemas::kind;
use epro_schemas::report::Report;
use epro_store::Committed;
use epro_store::audit::{Actor, AuditFacts};
use epro_store::reports::Finished;
use serde_json::json;
use time::OffsetDateTime;
use tokio::time::Instant;

use super::Desk;
use super::collect::Collected;
use super::job::{Opened, count};
use crate::fault::{self, Seam};
use crate::hold::{GivenUp, until_done};

/// How long a try may take once the deadline has passed: a report that names what is missing is written all the same.
const BEYOND: Duration = Duration::from_secs(1);

/// Writes it down, as often as it takes within the hold.
pub(super) async fn write_down(
    desk: &Desk,
    opened: &Opened,
    collected: Collected,
) -> Result<Committed, GivenUp> {
    let office = &desk.hospital.office;
    let complete = collected.missing.is_empty();
    let Some(finished) = finished(desk, opened, collected) else {
        tracing::error!(site = desk.hospital.site, "a report can't be sealed");
        return Err(GivenUp::HoldOver);
    };
    let (deadline, now) = (opened.time.deadline, Instant::now);
    let until = || if now() < deadline { deadline } else { now() + BEYOND };
    fault::at(Seam::BeforeCommit, None);
    let mut chain = office.chains.take().await;
    let receipt = until_done!(
        office.hold,
        "report",
        office.store.finish_report(chain.chain(), &finished, opened.suspect, until().into())
    )?;
    drop(chain);
    fault::at(Seam::AfterCommit, None);
    count(desk, if complete { "complete" } else { "incomplete" });
    let took = OffsetDateTime::now_utc() - opened.job.requested_at;
    metrics::histogram!("epro_report_seconds", "site" => desk.hospital.site.clone())
        .record(took.as_seconds_f64().max(0.0));
    Ok(receipt)
}

fn finished(desk: &Desk, opened: &Opened, collected: Collected) -> Option<Finished> {
    let (job, facts) = (&opened.job, opened.facts.clone());
    let complete = collected.missing.is_empty();
    let missing = json!(collected.missing);
    let report = Report {
        report_id: opened.report_id,
        status: "done",
        study_id: job.study_id.clone(),
        site_id: job.site_id.clone(),
        subject_id: job.subject_id.expose().clone(),
        requested_at: job.requested_at,
        deadline: job.deadline,
        collected_at: OffsetDateTime::now_utc(),
        expires_at: facts.expires_at,
        complete,
        missing: collected.missing,
        vitals: collected.vitals,
        medication: collected.medication,
        laboratory: collected.laboratory,
    };
    let body = serde_json::to_vec(&report).ok()?;
    let body = desk.hospital.office.route.keys.seal.seal(kind::REPORT_BODY, opened.report_id, &body).ok()?;
    let by = AuditFacts {
        actor: Actor::Delegate(job.actor),
        client: job.client.clone(),
        from_network: job.from_network.clone(),
        trace_id: job.trace_id.clone(),
    };
    Some(Finished { facts, complete, missing, body, by })
}
