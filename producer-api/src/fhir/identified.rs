//! A stored response with its patient, for whoever may read it so: as it came, whichever door it came through.

use epro_schemas::envelope::{self, Envelope};
use epro_schemas::instrument::{ResolvedItem, Value as Answer};
use epro_schemas::kind;
use epro_store::responses::{SealedSubmission, StoredResponse};
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::resource;
use crate::door::Door;
use crate::refusal::Kind;

/// The resource that was sent under our id, or one made of a submission that came in our own form.
pub(super) fn of(
    door: &Door,
    id: Uuid,
    stored: &StoredResponse,
    came: &SealedSubmission,
) -> Result<Value, Kind> {
    let mut shown = resource::of(door, id, stored);
    if let Some(meta) = shown["meta"].as_object_mut() {
        meta.remove("security");
    }
    let envelope = open(door, came)?;
    if let envelope::Door::Fhir(_) = envelope.door {
        let mut sent: Value = serde_json::from_slice(&envelope.bytes).map_err(unreadable)?;
        sent["id"] = json!(id);
        sent["meta"] = shown["meta"].take();
        return Ok(sent);
    }
    let submission = envelope.submission().map_err(|_| unreadable("it breaks the rules of today"))?;
    let instrument = door.instruments.get(&submission.instrument);
    let resolved = instrument.and_then(|instrument| instrument.resolve(&submission).ok());
    let resolved = resolved.ok_or_else(|| unreadable("its instrument isn't known here any more"))?;
    let rows: Vec<Value> = resolved.items.iter().flat_map(rows).collect();
    shown["subject"] = json!({"identifier": {"value": envelope.subject_id.expose()}});
    shown["authored"] = json!(submission.answered_at.format(&Rfc3339).map_err(unreadable)?);
    shown["item"] = json!(epro_schemas::fhir::items(instrument, &rows));
    Ok(shown)
}

fn open(door: &Door, came: &SealedSubmission) -> Result<Envelope, Kind> {
    let bytes = door.ring.open(kind::SUBMISSION, came.message_id, &came.sealed).map_err(|error| {
        tracing::error!(%error, "a stored submission can't be opened");
        Kind::from(error)
    })?;
    Envelope::decode(bytes.into()).map_err(unreadable)
}

/// What was stored could be opened and read once: whoever runs this must know that it no longer can.
fn unreadable(error: impl std::fmt::Display) -> Kind {
    tracing::error!(%error, "a stored submission can't be read with its patient");
    Kind::Panicked
}

fn rows(item: &ResolvedItem) -> Vec<Value> {
    let row = |value: &Answer| match value {
        Answer::Coded { code, .. } => json!({"link_id": item.link_id, "code": code}),
        Answer::Integer(number) => json!({"link_id": item.link_id, "value": number}),
        Answer::Decimal(number) => json!({"link_id": item.link_id, "value": number}),
        Answer::Boolean(yes) => json!({"link_id": item.link_id, "value": yes}),
        Answer::Text(words) => json!({"link_id": item.link_id, "value": words.expose()}),
        Answer::Many(_) => Value::Null,
    };
    match &item.value {
        Answer::Many(values) => values.iter().map(row).collect(),
        one => vec![row(one)],
    }
}
