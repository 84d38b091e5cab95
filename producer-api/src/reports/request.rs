//! `POST /api/v1/reports`: a job for the hospital's query queue, confirmed; then 202, or the report itself.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use epro_broker::{Headers, Message, topology};
use epro_schemas::report::{Job, Request as Asked};
use time::OffsetDateTime;
use tokio::time::Instant;
use uuid::Uuid;

use super::{answer, prefer, wait};
use crate::body;
use crate::door::Door;
use crate::job_id;
use crate::refusal::{Kind, Refusal};
use crate::router::Route;
use crate::submit::delegate;
use crate::visit::Visit;
use epro_process::auth::Caller;

/// A report that isn't there so long after its deadline is not waited for: its status tells.
const BEYOND: Duration = Duration::from_secs(1);

pub(crate) async fn handle(State(door): State<Arc<Door>>, request: Request) -> Response {
    let mut visit = Visit::begin(&door, Route::ReportRequest);
    let outcome = ask(&door, &mut visit, request).await;
    visit.answer(outcome)
}

async fn ask(door: &Door, visit: &mut Visit<'_>, request: Request) -> Result<Response, Refusal> {
    let caller = door.verifier.caller(request.headers())?;
    visit.by(&caller)?;
    visit.actor(delegate(door, &caller));
    if !caller.may_report {
        return Err(Kind::ScopeMissing.into());
    }
    let slot = door.requests.try_acquire().map_err(|_| Kind::Busy)?;
    body::check_type(request.headers(), &["application/json"])?;
    let (trace, patience) = (visit.trace(), prefer::wait(request.headers()));
    let bytes = body::read(request.into_body(), Asked::MAX_BYTES, door.body_timeout).await?;
    let (arrived, requested_at) = (Instant::now(), OffsetDateTime::now_utc());
    let asked = parse(&bytes)?;
    check_places(door, &caller, &asked)?;
    let within = within(door, &asked)?;
    let job = Job {
        study_id: asked.study_id,
        site_id: asked.site_id,
        subject_id: asked.subject_id,
        requested_at,
        deadline: requested_at + within,
        actor: delegate(door, &caller),
        client: caller.client.as_deref().map(str::to_owned),
        from_network: visit.network(),
        trace_id: Some(trace.id().to_owned()),
    };
    let report_id = job_id::make(&door.pseudonyms, job_id::REPORT, caller.sub.expose());
    visit.about_report(report_id);
    let mut message = message(door, report_id, &job, trace.parent)?;
    let publishing = crate::trace::publish(&mut message);
    let _receipt = door.publisher.publish(message).await?;
    drop(publishing);
    drop(slot);
    let Some(patience) = patience else { return Ok(answer::underway(report_id)) };
    let until = arrived + patience.min(within + BEYOND);
    match wait::sealed(door, &caller, report_id, until).await {
        Ok(Some(sealed)) => shown(door, visit, report_id, &sealed, patience).await,
        Ok(None) => Ok(answer::waited(answer::underway(report_id), patience)),
        Err(()) => Ok(answer::underway(report_id)),
    }
}

/// The report, once the audit trail is told of this reading. Where it is there and can't be shown now, whoever waited
/// is told where it will be: told 503, its client would ask the hospital all over again.
async fn shown(
    door: &Door,
    visit: &mut Visit<'_>,
    report_id: Uuid,
    sealed: &[u8],
    patience: Duration,
) -> Result<Response, Refusal> {
    let report = match answer::done(door, report_id, sealed) {
        Err(refusal) if refusal.kind == Kind::KeyUnknown => return Ok(answer::underway(report_id)),
        report => report?,
    };
    Ok(match visit.witness_of("report.read", 200).await {
        Ok(()) => answer::waited(report, patience),
        Err(_) => answer::underway(report_id),
    })
}

fn parse(bytes: &[u8]) -> Result<Asked, Refusal> {
    Asked::parse(bytes).map_err(|errors| {
        let json = serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok();
        Refusal { kind: if json { Kind::Invalid } else { Kind::NotJson }, errors }
    })
}

fn check_places(door: &Door, caller: &Caller, asked: &Asked) -> Result<(), Refusal> {
    if !caller.studies.contains(&asked.study_id) {
        return Err(Refusal::at(Kind::StudyForbidden, "/study_id", "must be a study of the token"));
    }
    if !caller.sites.contains(&asked.site_id) {
        return Err(Refusal::at(Kind::SiteForbidden, "/site_id", "must be a site of the token"));
    }
    if !door.studies.contains(&asked.study_id) {
        return Err(Refusal::at(Kind::Invalid, "/study_id", "must be a study that is configured here"));
    }
    if !door.hospitals.contains(&asked.site_id) {
        let rule = "must be a site whose hospital is configured here";
        return Err(Refusal::at(Kind::Invalid, "/site_id", rule));
    }
    Ok(())
}

/// How long it may take: as the request says, within the bound of the configuration.
fn within(door: &Door, asked: &Asked) -> Result<Duration, Refusal> {
    let Some(seconds) = asked.within_seconds else { return Ok(door.reports.deadline) };
    let (within, longest) = (Duration::from_secs(seconds.into()), door.reports.longest);
    if within > longest {
        let rule = format!("must be at most {}", longest.as_secs());
        return Err(Refusal::at(Kind::Invalid, "/within_seconds", &rule));
    }
    Ok(within)
}

/// The headers tell an operator where it belongs and until when it matters, never whose it is.
fn message(door: &Door, report_id: Uuid, job: &Job, traceparent: String) -> Result<Message, Refusal> {
    let body = door.ring.body(report_id, job)?;
    let headers = Headers {
        traceparent: Some(traceparent),
        deadline: i64::try_from(job.deadline.unix_timestamp_nanos() / 1_000_000).ok(),
        site: Some(job.site_id.clone()),
        study: Some(job.study_id.clone()),
        ..Headers::default()
    };
    Ok(Message::work(&topology::query(&job.site_id), headers, body))
}
