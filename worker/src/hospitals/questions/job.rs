//! One job's way: opened, taken in hand, collected, written down, acked.

use std::sync::Arc;

use epro_broker::Delivery;
use epro_process::traces::Span;
use epro_schemas::report::{Job, Reason};
use epro_store::reports::{BegunReport, ReportFacts};
use time::OffsetDateTime;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::collect::{Collected, collect};
use super::time_left::TimeLeft;
use super::{Desk, Done, finish, unread};
use crate::failure::Failure;
use crate::fault::{self, Seam};
use crate::hold::{GivenUp, until_done};
use crate::spans;
use crate::starts::{MOST_STARTS, Start};

/// A job that was opened.
pub(super) struct Opened {
    pub report_id: Uuid,
    pub job: Job,
    pub facts: ReportFacts,
    pub time: TimeLeft,
    /// It was handed out before: its starts are counted.
    pub suspect: Option<Uuid>,
    pub traceparent: Option<String>,
    /// Ends when this is dropped.
    pub span: Span,
}

/// What goes before the questions.
enum Prepared {
    /// They may be asked.
    Ready,
    /// The deadline passed: PostgreSQL didn't answer.
    TooLate,
    /// The report is there.
    Over(epro_store::Committed),
    /// It was started too often, or PostgreSQL refuses it.
    Failed(Failure),
    /// PostgreSQL is away.
    NotNow,
}

/// Takes one job all its way.
pub(super) async fn answer(desk: Arc<Desk>, delivery: Delivery) -> Done {
    let hospital = &desk.hospital;
    let (report_id, job) = match unread::open(hospital, &delivery) {
        Ok(opened) => opened,
        Err(failure) => return unread::dispose(hospital, delivery, &failure, None).await,
    };
    let opened = Opened {
        facts: facts(&desk, report_id, &job),
        time: TimeLeft::until(job.deadline, (Instant::now(), OffsetDateTime::now_utc())),
        suspect: delivery.redelivered().then_some(report_id),
        traceparent: delivery.traceparent().map(str::to_owned),
        span: spans::taken(&delivery, crate::hospitals::NAME),
        report_id,
        job,
    };
    let Some(_alone) = desk.unless_left(alone(&desk, &opened)).await else { return Done::Undone(delivery) };
    // However this ends, it is taken back.
    let mut start = None;
    let collected = match desk.unless_left(prepare(&desk, &opened, &mut start)).await {
        Some(Prepared::Ready) => {
            fault::at(Seam::Process, None);
            desk.unless_left(collect(&desk, &opened)).await
        }
        Some(Prepared::TooLate) => Some(Collected::nothing(Reason::NotStarted)),
        Some(Prepared::Over(receipt)) => {
            if let Some(mut start) = start {
                start.acquit();
            }
            count(&desk, "over");
            delivery.ack(&receipt);
            return Done::Settled;
        }
        Some(Prepared::Failed(failure)) => {
            return unread::dispose(hospital, delivery, &failure, opened.suspect).await;
        }
        Some(Prepared::NotNow) | None => None,
    };
    let Some(collected) = collected else { return Done::Undone(delivery) };
    match finish::write_down(&desk, &opened, collected).await {
        Ok(receipt) => {
            delivery.ack(&receipt);
            Done::Settled
        }
        Err(GivenUp::Row(error)) => {
            unread::dispose(hospital, delivery, &Failure::Refused(error), opened.suspect).await
        }
        Err(GivenUp::HoldOver) => Done::Undone(delivery),
    }
}

fn facts(desk: &Desk, report_id: Uuid, job: &Job) -> ReportFacts {
    let office = &desk.hospital.office;
    ReportFacts {
        report_id,
        pseudonym: office.route.keys.pseudonym.pseudonym(&job.study_id, job.subject_id.expose()),
        study_id: job.study_id.clone(),
        site_id: job.site_id.clone(),
        requested_at: job.requested_at,
        deadline: job.deadline,
        expires_at: job.deadline + office.keep_reports,
    }
}

/// Of those that were handed out before one at a time.
async fn alone<'d>(desk: &'d Desk, opened: &Opened) -> Option<tokio::sync::MutexGuard<'d, ()>> {
    match opened.suspect {
        // Too late to start anything, it harms nobody.
        Some(_) => timeout_at(opened.time.collecting, desk.again.lock()).await.ok(),
        None => None,
    }
}

/// Counts the start of a job that was handed out before, and takes the report in hand. Not beyond the time for
/// collecting: neither here, nor in PostgreSQL.
async fn prepare(desk: &Desk, opened: &Opened, start: &mut Option<Start>) -> Prepared {
    let (office, end) = (&desk.hospital.office, opened.time.collecting);
    let work = async {
        if let Some(key) = opened.suspect {
            let counted = office.starts.start(key, crate::hospitals::NAME, &office.hold).await?;
            if start.insert(counted).count() >= MOST_STARTS {
                return Ok(Prepared::Failed(Failure::Quarantined));
            }
        }
        let begun = until_done!(office.hold, "report", office.store.begin_report(&opened.facts, end.into()))?;
        Ok(match begun {
            BegunReport::Running => Prepared::Ready,
            BegunReport::Over(receipt) => Prepared::Over(receipt),
        })
    };
    match timeout_at(end, work).await {
        Ok(Ok(prepared)) => prepared,
        Ok(Err(GivenUp::Row(error))) => Prepared::Failed(Failure::Refused(error)),
        Ok(Err(GivenUp::HoldOver)) => Prepared::NotNow,
        Err(_) => Prepared::TooLate,
    }
}

/// Counts what became of a job.
pub(super) fn count(desk: &Desk, outcome: &'static str) {
    let site = desk.hospital.site.clone();
    metrics::counter!("epro_reports_total", "site" => site, "outcome" => outcome).increment(1);
}
