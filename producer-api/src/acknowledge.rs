//! `POST /api/v1/alerts/{id}/acknowledge`: somebody has an alert in hand. A command: published, then 202.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use epro_broker::{Headers, Message, topology};
use epro_schemas::alert::Acknowledgement;
use epro_store::alerts::Party;
use schemars::JsonSchema;
use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::door::Door;
use crate::refusal::{Kind, Refusal, json};
use crate::router::Route;
use crate::submit::delegate;
use crate::trace::{self, Trace};
use crate::visit::Visit;
use epro_process::auth::Caller;

/// How long PostgreSQL may take to say whose alert it is. Without it, the worker finds out.
const LOOK_UP: Duration = Duration::from_secs(1);

/// The broker has it; a worker writes it down.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AcknowledgementReceived")]
pub(crate) struct Answer {
    /// Always `received`.
    status: &'static str,
    /// The alert's id.
    alert_id: Uuid,
}

pub(crate) async fn handle(
    State(door): State<Arc<Door>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Response {
    let mut visit = Visit::begin(&door, Route::Acknowledge);
    let id = id.ok().and_then(|Path(id)| id.parse().ok());
    let outcome = acknowledge(&door, &mut visit, id, &headers).await;
    visit.answer(outcome)
}

async fn acknowledge(
    door: &Door,
    visit: &mut Visit<'_>,
    id: Option<Uuid>,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let caller = door.verifier.caller(headers)?;
    visit.by(&caller)?;
    visit.actor(delegate(door, &caller));
    if !caller.may_acknowledge {
        return Err(Kind::ScopeMissing.into());
    }
    let alert_id = id.ok_or(Kind::IdMalformed)?;
    let _slot = door.requests.try_acquire().map_err(|_| Kind::Busy)?;
    check_theirs(door, &caller, alert_id).await?;
    let from = (visit.network(), visit.trace());
    let mut message = message(door, &caller, alert_id, from)?;
    let publishing = trace::publish(&mut message);
    let _receipt = door.publisher.publish(message).await?;
    drop(publishing);
    Ok(json(202, "application/json", &Answer { status: "received", alert_id }))
}

/// Somebody else's alert and one that isn't there look the same.
async fn check_theirs(door: &Door, caller: &Caller, alert: Uuid) -> Result<(), Refusal> {
    match tokio::time::timeout(LOOK_UP, door.store.alert_place(alert)).await {
        Ok(Ok(Some((study, site)))) if party(caller).has(&study, &site) => Ok(()),
        Ok(Ok(_)) => Err(Kind::AlertUnknown.into()),
        // Nobody has to wait for PostgreSQL to say that they have seen an alert.
        Ok(Err(_)) | Err(_) => Ok(()),
    }
}

fn party(caller: &Caller) -> Party {
    Party { studies: caller.studies.clone(), sites: caller.sites.clone() }
}

fn message(
    door: &Door,
    caller: &Caller,
    alert_id: Uuid,
    (from_network, trace): (Option<String>, Trace),
) -> Result<Message, Refusal> {
    let command = Acknowledgement {
        alert_id,
        actor: delegate(door, caller),
        client: caller.client.as_deref().map(str::to_owned),
        from_network,
        studies: caller.studies.clone(),
        sites: caller.sites.clone(),
        at: OffsetDateTime::now_utc(),
        trace_id: Some(trace.id().to_owned()),
    };
    let headers = Headers { traceparent: Some(trace.parent), ..Headers::default() };
    Ok(Message::work(topology::COMMANDS, headers, door.ring.body(Uuid::now_v7(), &command)?))
}
