//! What a hospital has: one record an identifier, with every version of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde_json::Value;

/// A resource, or a result.
#[derive(Clone, Debug, Serialize)]
pub struct Stored {
    /// `QuestionnaireResponse`, `Observation`, or `ORU`.
    pub kind: String,
    /// The value of its identifier, or OBR-3.
    pub identifier: String,
    /// The resource, or the text of the message, in every version; the newest comes last.
    pub versions: Vec<Value>,
}

/// All of them; clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Records(Arc<Mutex<Vec<Stored>>>);

/// What a write did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrote {
    Created,
    Known,
    Updated,
}

impl Records {
    pub(super) fn all(&self) -> Vec<Stored> {
        self.lock().clone()
    }

    /// For a transaction: nobody else writes while this is held.
    pub(super) fn lock(&self) -> MutexGuard<'_, Vec<Stored>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of a record: kind and identifier are unique.
pub(super) fn find(records: &[Stored], kind: &str, identifier: &str) -> Option<usize> {
    records.iter().position(|one| one.kind == kind && one.identifier == identifier)
}

/// Writes a version. `replace`: also where there is one already.
pub(super) fn write(
    records: &mut Vec<Stored>,
    (kind, identifier): (&str, &str),
    version: Value,
    replace: bool,
) -> (usize, Wrote) {
    match find(records, kind, identifier) {
        Some(place) if replace => {
            if let Some(record) = records.get_mut(place) {
                record.versions.push(version);
            }
            (place, Wrote::Updated)
        }
        Some(place) => (place, Wrote::Known),
        None => {
            let (kind, identifier) = (kind.to_owned(), identifier.to_owned());
            records.push(Stored { kind, identifier, versions: vec![version] });
            (records.len() - 1, Wrote::Created)
        }
    }
}
