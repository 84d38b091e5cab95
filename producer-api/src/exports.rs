//! Bulk exports: asked for, watched, fetched, cancelled. The door only reads; what changes is a message.

pub(crate) mod cancel;
pub(crate) mod file;
mod range;
pub(crate) mod request;
pub(crate) mod status;

use std::time::Duration;

use epro_broker::{Headers, Message, topology};
use epro_store::exports::ExportStatus;
use serde::Serialize;
use uuid::Uuid;

use crate::door::Door;
use crate::refusal::{Kind, Refusal};
use crate::trace::Trace;
use epro_process::auth::Caller;

/// How long PostgreSQL may take.
const LOOK_UP: Duration = Duration::from_secs(3);

/// An export that the caller may see. Somebody else's and one that isn't there look the same.
async fn theirs(door: &Door, caller: &Caller, export: Uuid) -> Result<ExportStatus, Refusal> {
    if !caller.may_export {
        return Err(Kind::ScopeMissing.into());
    }
    let found = tokio::time::timeout(LOOK_UP, door.store.export_status(export)).await;
    let found = found.map_err(|_| Kind::StoreAway)?.map_err(|error| {
        tracing::debug!(%error, "an export could not be looked up");
        Kind::StoreAway
    })?;
    found.filter(|found| may_see(caller, found)).ok_or_else(|| Kind::ExportUnknown.into())
}

fn may_see(caller: &Caller, found: &ExportStatus) -> bool {
    caller.sites.contains(&found.site_id)
        && found.study_ids.iter().all(|study| caller.studies.contains(study))
        && (caller.may_export_identified || !found.identified)
}

fn message(kind: &str, trace: Trace, body: &impl Serialize) -> Message {
    // Flat structs of strings, times and UUIDs: nothing in them can fail to serialize.
    let body = serde_json::to_vec(body).unwrap_or_default();
    let headers = Headers { traceparent: Some(trace.parent), ..Headers::default() };
    Message::work(topology::EXPORTS, Uuid::now_v7(), kind, headers, body.into())
}

/// Where an export's status is.
fn location(export: Uuid) -> String {
    format!("/api/v1/exports/{export}")
}
