//! One submission: from bytes to a confirmed message.

use std::net::IpAddr;
use std::time::Duration;

use axum::body::Bytes;
use epro_broker::{Confirmed, Headers, Message, PublishError, topology};
use epro_schemas::envelope;
use epro_schemas::instrument::{Resolved, Signal};
use epro_schemas::phi::Phi;
use epro_schemas::submission::Submission;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::door::Door;
use crate::refusal::{Kind, Refusal};
use crate::trace::{self, Trace};
use epro_process::auth::Caller;

/// Where and how something came in.
pub(crate) struct Arrival<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) from: IpAddr,
    pub(crate) through: envelope::Door,
    pub(crate) trace: &'a Trace,
}

/// A submission that may go on, as a message that is ready to leave.
pub(crate) struct Admitted {
    pub(crate) submission_id: Uuid,
    pub(crate) message_id: Uuid,
    message: Message,
}

/// A submission that may go on, understood.
pub(crate) struct Checked {
    pub(crate) submission: Submission,
    pub(crate) subject: Phi<String>,
    pub(crate) resolved: Resolved,
    signals: Vec<Signal>,
}

/// A submission that the broker has.
pub(crate) struct Received {
    pub(crate) submission_id: Uuid,
    _receipt: Confirmed,
}

/// Checks one submission, seals it and publishes it.
pub(crate) async fn take(door: &Door, arrival: &Arrival<'_>, bytes: &Bytes) -> Result<Received, Refusal> {
    publish(door, admit(door, arrival, bytes)?, None).await
}

/// Checks one submission and seals it.
pub(crate) fn admit(door: &Door, arrival: &Arrival<'_>, bytes: &Bytes) -> Result<Admitted, Refusal> {
    seal(door, arrival, check(door, arrival.caller, parse(bytes)?)?, bytes)
}

/// Checks what was read, whatever its form was.
pub(crate) fn check(door: &Door, caller: &Caller, submission: Submission) -> Result<Checked, Refusal> {
    crate::fault::at_submit(submission.submission_id);
    let subject = subject_of(caller, &submission)?;
    check_places(door, caller, &submission)?;
    let (resolved, signals) = understand(door, &submission)?;
    Ok(Checked { submission, subject, resolved, signals })
}

/// Publishes what was admitted. Only a confirm makes a [`Received`]. `within`: an item of a batch, which may wait
/// so long for a slot of theirs and its confirm.
///
/// If the caller goes away meanwhile, the message may be stored and nobody was told so: the same
/// as an answer that got lost on its way, which the submission's id makes harmless.
pub(crate) async fn publish(
    door: &Door,
    admitted: Admitted,
    within: Option<Duration>,
) -> Result<Received, Refusal> {
    let Admitted { submission_id, mut message, message_id: _ } = admitted;
    let mut span = trace::publish(&mut message);
    let outcome = match within {
        None => door.publisher.publish(message).await,
        Some(within) => door.batch_publisher.publish_within(message, within).await,
    };
    match outcome {
        Ok(receipt) => {
            crate::fault::at_confirmed(submission_id);
            Ok(Received { submission_id, _receipt: receipt })
        }
        Err(error) => {
            span.failed("not_confirmed");
            if let PublishError::Returned { routing_key } = &error {
                door.queues.not_ready(crate::readiness::missing(&format!("queue {routing_key}")));
            }
            Err(error.into())
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Submission, Refusal> {
    Submission::parse(bytes).map_err(|errors| {
        // Only on this path: whether it is JSON at all decides between 400 and 422.
        let json = serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok();
        Refusal { kind: if json { Kind::Invalid } else { Kind::NotJson }, errors }
    })
}

/// Whose submission it is. A patient's own `sub`, or whom a backend names.
fn subject_of(caller: &Caller, submission: &Submission) -> Result<Phi<String>, Refusal> {
    match &submission.subject_id {
        Some(subject) if caller.may_submit_any => Ok(subject.clone()),
        Some(subject) if caller.may_submit && *subject == caller.sub => Ok(subject.clone()),
        Some(_) if caller.may_submit => {
            Err(Refusal::at(Kind::SubjectForbidden, "/subject_id", "must be the token's own subject"))
        }
        None if caller.may_submit => Ok(caller.sub.clone()),
        None if caller.may_submit_any => {
            Err(Refusal::at(Kind::Invalid, "/subject_id", "is required with the scope submit:any"))
        }
        _ => Err(Kind::ScopeMissing.into()),
    }
}

fn check_places(door: &Door, caller: &Caller, submission: &Submission) -> Result<(), Refusal> {
    if !caller.studies.contains(&submission.study_id) {
        return Err(Refusal::at(Kind::StudyForbidden, "/study_id", "must be a study of the token"));
    }
    if !caller.sites.contains(&submission.site_id) {
        return Err(Refusal::at(Kind::SiteForbidden, "/site_id", "must be a site of the token"));
    }
    if !door.studies.contains(&submission.study_id) {
        return Err(Refusal::at(Kind::Invalid, "/study_id", "must be a study that is configured here"));
    }
    if !door.sites.contains(&submission.site_id) {
        return Err(Refusal::at(Kind::Invalid, "/site_id", "must be a site that is configured here"));
    }
    Ok(())
}

/// What the answers mean, and what the instrument's alert rules find in them, so that what alerts
/// overtakes what doesn't.
fn understand(door: &Door, submission: &Submission) -> Result<(Resolved, Vec<Signal>), Refusal> {
    let Some(instrument) = door.instruments.get(&submission.instrument) else {
        return Err(Refusal::at(Kind::Invalid, "/instrument", "must be an instrument that is known here"));
    };
    let resolved =
        instrument.resolve(submission).map_err(|errors| Refusal { kind: Kind::Invalid, errors })?;
    let signals = instrument.signals(&resolved);
    Ok((resolved, signals))
}

/// The headers tell an operator, and a worker that can't open the body, where it belongs and whom to
/// alert; never whose it is.
fn headers(arrival: &Arrival<'_>, submission: Submission, signals: &[Signal]) -> Headers {
    let found = signals.iter().map(|signal| format!("{}={}", signal.rule, signal.severity));
    let found = found.collect::<Vec<_>>().join(",");
    Headers {
        traceparent: Some(arrival.trace.parent.clone()),
        site: Some(submission.site_id),
        study: Some(submission.study_id),
        signals: (!found.is_empty()).then_some(found),
        ..Headers::default()
    }
}

/// Seals what was checked, with the bytes as they came.
pub(crate) fn seal(
    door: &Door,
    arrival: &Arrival<'_>,
    checked: Checked,
    bytes: &Bytes,
) -> Result<Admitted, Refusal> {
    let Checked { submission, subject, signals, resolved: _ } = checked;
    let from = Phi::new(arrival.from.to_string());
    let envelope = envelope::Parts {
        received_at: OffsetDateTime::now_utc(),
        subject_id: &subject,
        actor: &arrival.caller.sub,
        client: arrival.caller.client.as_deref(),
        from: &from,
        door: &arrival.through,
        trace_id: Some(arrival.trace.id()),
        bytes,
    };
    let message_id = Uuid::now_v7();
    let body = door.ring.sealer(1).submission(message_id, &envelope)?;
    let queue = if signals.is_empty() { topology::SUBMISSIONS_ROUTINE } else { topology::SUBMISSIONS_URGENT };
    let submission_id = submission.submission_id;
    let message = Message::work(queue, headers(arrival, submission, &signals), body);
    Ok(Admitted { submission_id, message_id, message })
}
