//! What was accepted and is stored as a copy: it has to be one, whatever the product's own trail calls it.

use std::collections::BTreeMap;

use serde_json::Value;
use uuid::Uuid;

use super::{Key, Logged, Tables};

/// Accepted copies, by id, that nothing stored was found for yet.
pub(super) struct Copies<'a>(BTreeMap<Uuid, Vec<(Key, &'a [u8])>>);

impl<'a> Copies<'a> {
    /// Those that nothing but a note in the trail accounts for.
    pub(super) fn of(sent: &Logged<'a>, tables: &Tables) -> Self {
        let mut copies: BTreeMap<Uuid, Vec<_>> = BTreeMap::new();
        for (key, bytes) in &sent.accepted {
            let itself = tables.stored.contains(key) || tables.dead.contains(key);
            if !itself && tables.is_duplicate(key) {
                copies.entry(key.0).or_default().push((*key, *bytes));
            }
        }
        Self(copies)
    }

    /// Under that id these bytes are stored, opened by our own hands.
    pub(super) fn beside(&mut self, id: Uuid, stored: &[u8]) {
        if let Some(copies) = self.0.get_mut(&id) {
            copies.retain(|(_, copy)| !same_but_for_sent_at(copy, stored));
        }
    }

    /// Those that are no copies of anything.
    pub(super) fn left(&self) -> impl Iterator<Item = &Key> {
        self.0.values().flatten().map(|(key, _)| key)
    }
}

/// An app restamps what it sends again, and changes nothing else.
fn same_but_for_sent_at(one: &[u8], other: &[u8]) -> bool {
    let content = |bytes: &[u8]| {
        let mut value: Value = serde_json::from_slice(bytes).ok()?;
        value.as_object_mut()?.remove("sent_at");
        Some(value)
    };
    content(one).is_some_and(|one| Some(one) == content(other))
}
