//! Bulk exports: asked for, watched, fetched, cancelled. The door only reads; what changes is a message.

pub(crate) mod cancel;
pub(crate) mod file;
mod range;
pub(crate) mod request;
pub(crate) mod status;

use std::time::Duration;

use epro_broker::{Headers, Message, topology};
use epro_schemas::sealed::Says;
use epro_store::StoreError;
use epro_store::exports::ExportStatus;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::door::Door;
use crate::job_id;
use crate::refusal::{Kind, Refusal};
use crate::trace::Trace;
use epro_process::auth::Caller;

/// How long PostgreSQL may take.
const LOOK_UP: Duration = Duration::from_secs(3);

/// What is known of an export.
enum Known {
    /// Its row.
    Row(Box<ExportStatus>),
    /// Confirmed by the broker and not written down yet: only whoever asked for it is told.
    Early(Early),
}

/// An export before its request is written down.
struct Early {
    asked_at: OffsetDateTime,
    stands: Stands,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stands {
    /// Its request waits in the queue.
    Queued,
    /// Its end was written down before it.
    Cancelled,
    /// Its request was set aside.
    SetAside,
}

/// An export that the caller may see. Somebody else's and one that isn't there look the same.
async fn theirs(door: &Door, caller: &Caller, export: Uuid) -> Result<Known, Refusal> {
    if !caller.may_export {
        return Err(Kind::ScopeMissing.into());
    }
    let found = looked_up(door.store.export_status(export)).await?;
    let asked_at = job_id::made_at(&door.pseudonyms, job_id::EXPORT, caller.sub.expose(), export);
    match (found, asked_at) {
        (Some(found), _) if may_see(caller, &found) => Ok(Known::Row(Box::new(found))),
        (Some(found), Some(asked_at)) if found.is_bare() => {
            Ok(Known::Early(Early { asked_at, stands: Stands::Cancelled }))
        }
        (None, Some(asked_at)) => {
            let set_aside = looked_up(door.store.is_set_aside(export)).await?;
            let stands = if set_aside { Stands::SetAside } else { Stands::Queued };
            Ok(Known::Early(Early { asked_at, stands }))
        }
        _ => Err(Kind::ExportUnknown.into()),
    }
}

async fn looked_up<T>(looking: impl Future<Output = Result<T, StoreError>>) -> Result<T, Refusal> {
    let found = tokio::time::timeout(LOOK_UP, looking).await.map_err(|_| Kind::StoreAway)?;
    found.map_err(|error| {
        tracing::debug!(%error, "an export could not be looked up");
        Kind::StoreAway.into()
    })
}

fn may_see(caller: &Caller, found: &ExportStatus) -> bool {
    caller.sites.contains(&found.site_id)
        && found.study_ids.iter().all(|study| caller.studies.contains(study))
        && (caller.may_export_identified || !found.identified)
}

fn message(door: &Door, id: Uuid, trace: Trace, says: &impl Says) -> Result<Message, Refusal> {
    let headers = Headers { traceparent: Some(trace.parent), ..Headers::default() };
    Ok(Message::work(topology::EXPORTS, headers, door.ring.body(id, says)?))
}

/// Where an export's status is.
fn location(export: Uuid) -> String {
    format!("/api/v1/exports/{export}")
}
