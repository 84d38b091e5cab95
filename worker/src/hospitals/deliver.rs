//! One delivery's way: looked up, admitted, brought to the hospital, recorded, settled.

use std::sync::Arc;

use epro_broker::{Delivery, Tier};
use epro_process::traces::{Span, conventions};
use epro_store::dead_letters::Class;
use epro_store::deliveries::{Begun, DeliveryKey, Due};
use tokio::time::Instant;
use uuid::Uuid;

use super::answer::CallError;
use super::document::Document;
use super::gate::Permit;
use super::hand::Held;
use super::hospital::Hospital;
use super::load::Loaded;
use super::settle::{Decided, Settling};
use super::verdict::{Circumstances, Next, Verdict};
use crate::failure::{Disposition, Failure};
use crate::fault::{self, Seam};
use crate::hold::until_done;
use crate::spans;
use crate::starts::{MOST_STARTS, Start};

/// What became of a delivery.
pub(crate) enum Done {
    /// It is settled; as a dead letter of that class, or well.
    Settled(Option<&'static str>),
    /// The hospital isn't called now.
    Back(Held),
    /// It can't be decided now: PostgreSQL or the broker is away, or the lane leaves.
    Undone(Delivery),
}

/// Takes one delivery all its way.
pub(crate) async fn deliver(hospital: Arc<Hospital>, held: Held) -> Done {
    let Some(turn) = hospital.unless_left(hospital.turn.lock()).await else {
        return Done::Undone(held.delivery);
    };
    if hospital.gate.closed(&hospital.lease).is_some() {
        return Done::Back(held);
    }
    let found = hospital.unless_left(look_up(&hospital, &held)).await.flatten();
    let Some((begun, start)) = found else { return Done::Undone(held.delivery) };
    let starts = start.as_ref().map_or(0, Start::count);
    let settling = Settling::new(&hospital, &held, start);
    let due = match begun {
        Begun::Due(due) => due,
        Begun::Over(receipt) => return settling.nothing(held, &receipt, "over").await,
        Begun::Superseded(receipt) => return settling.nothing(held, &receipt, "superseded").await,
        Begun::Absent => return settling.set_aside(held, None, Decided::absent()).await,
    };
    if starts >= MOST_STARTS {
        let decided = Decided::failure(Class::Quarantined, &Failure::Quarantined);
        return settling.set_aside(held, Some(&due), decided).await;
    }
    fault::at(Seam::Process, Some(held.message.submission_id));
    let loaded = match Loaded::of(&due, &hospital.office.route) {
        Ok(loaded) => loaded,
        Err(failure) => {
            settling.not_called(&due).await;
            return not_understood(&hospital, settling, held, &due, &failure).await;
        }
    };
    let mut document = loaded.document(&due, held.message.pseudonym, held.delivery.headers().traceparent);
    let Some(permit) = hospital.unless_left(admitted(&hospital)).await.flatten() else {
        settling.not_called(&due).await;
        return Done::Back(held);
    };
    drop(turn);
    let span = spans::taken_in(document.traceparent.as_deref(), &held.delivery, super::NAME);
    let calling = conventions::hospital_call(span.context(), &hospital.site, hospital.protocol());
    document.traceparent = calling.traceparent().or(document.traceparent);
    call(&hospital, settling, held, &due, &document, permit, calling).await
}

async fn call(
    hospital: &Hospital,
    settling: Settling<'_>,
    held: Held,
    due: &Due,
    document: &Document<'_>,
    permit: Permit,
    mut span: Span,
) -> Done {
    fault::at(Seam::BeforeCall, Some(held.message.submission_id));
    let since = Instant::now();
    // Out of the lease's time: the process stood still, and somebody else may own the hospital.
    let Some(answer) = hospital.lease.cover(hospital.known.caller.call(document)).await else {
        return Done::Undone(held.delivery);
    };
    if matches!(answer, Err(CallError::Stale { .. })) {
        // The next call shows new ones. It needs leave of its own: the hospital counts it, too.
        drop(permit);
        return Done::Back(held);
    }
    let took = since.elapsed();
    fault::at(Seam::AfterCall, Some(held.message.submission_id));
    let known = Circumstances {
        takes_others: hospital.gate.takes_others(),
        refuses_few: hospital.gate.refuses_few(),
        well_since_failure: due.well_since_failure,
        refusal_may_be_general: hospital.speaks_hl7(),
        attempts: u32::try_from(due.attempts).unwrap_or(0),
        age: due.age,
        waits: held.delivery.headers().waits,
    };
    let Verdict { next, outcome, note, reported } = Verdict::of(answer, known, hospital.budget);
    permit.report(reported);
    span.outcome(outcome);
    drop(span);
    let site = hospital.site.clone();
    metrics::counter!("epro_hospital_calls_total", "site" => site.clone(), "outcome" => outcome).increment(1);
    metrics::histogram!("epro_hospital_call_seconds", "site" => site).record(took);
    let decided = Decided {
        outcome,
        note,
        took: Some(took),
        charged: false,
        class: Class::Undeliverable,
        stage: "call",
        traceparent: document.traceparent.clone(),
    };
    match next {
        Next::Done => settling.done(held, due, decided).await,
        Next::Wait { tier, charged } => settling.wait(held, due, Decided { charged, ..decided }, tier).await,
        Next::SetAside { class, charged } => {
            settling.set_aside(held, Some(due), Decided { class, charged, ..decided }).await
        }
    }
}

/// What the rows say, and the start of a message that came again. `None`: not now.
async fn look_up(hospital: &Hospital, held: &Held) -> Option<(Begun, Option<Start>)> {
    let (office, hold) = (&hospital.office, &hospital.office.hold);
    let mut start = None;
    if held.delivery.redelivered() {
        let key = held.delivery.message_id().unwrap_or(Uuid::nil());
        start = Some(office.starts.start(key, super::NAME, hold).await.ok()?);
    }
    let message = &held.message;
    let key = DeliveryKey {
        submission_id: message.submission_id,
        pseudonym: message.pseudonym,
        generation: message.generation,
    };
    let begun = until_done!(hold, "delivery", office.store.begin_delivery(key)).ok()?;
    Some((begun, start))
}

/// Waits for its call; `None`: the gate has closed.
async fn admitted(hospital: &Hospital) -> Option<Permit> {
    loop {
        match hospital.gate.admit(&hospital.lease) {
            Ok(permit) => return Some(permit),
            Err(not_now) if not_now.is_closed() => return None,
            Err(not_now) => tokio::select! {
                () = tokio::time::sleep_until(not_now.until.into()) => {}
                () = hospital.gate.changed() => {}
            },
        }
    }
}

/// It is stored, and can't be read (here, or not yet).
async fn not_understood(
    hospital: &Hospital,
    settling: Settling<'_>,
    held: Held,
    due: &Due,
    failure: &Failure,
) -> Done {
    let waited = held.delivery.headers().waiting_since.map_or(0, |since| crate::settling::now() - since);
    let over = u128::try_from(waited).unwrap_or(0) > hospital.office.wait_budget.as_millis();
    match failure.disposition() {
        Disposition::Wait(class) if !over => {
            let tier = Tier::after(held.delivery.headers().waits).min(Tier::M10);
            settling.wait(held, due, Decided::failure(class, failure), tier).await
        }
        Disposition::SetAside(class) | Disposition::Wait(class) => {
            settling.set_aside(held, Some(due), Decided::failure(class, failure)).await
        }
        Disposition::Requeue => {
            held.delivery.requeue();
            Done::Settled(None)
        }
    }
}
