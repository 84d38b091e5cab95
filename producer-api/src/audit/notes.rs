//! Events of the same kind, counted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use epro_schemas::audit_note::AuditNote;
use time::OffsetDateTime;
use uuid::Uuid;

/// Most kinds of event that are told apart between two flushes. Above it the actor, the
/// submission and the report are left out; what remains is bounded by the configuration. Nothing is left out
/// of the count.
const APART: usize = 1024;

/// One thing that happened. Two that are equal are told as one, twice.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Event {
    pub(crate) action: &'static str,
    pub(crate) outcome: &'static str,
    pub(crate) route: &'static str,
    pub(crate) status: u16,
    pub(crate) class: &'static str,
    pub(crate) client: Option<Arc<str>>,
    pub(crate) actor: Option<Uuid>,
    pub(crate) submission_id: Option<Uuid>,
    pub(crate) report_id: Option<Uuid>,
    pub(crate) export_id: Option<Uuid>,
}

#[derive(Clone, Copy)]
struct Tally {
    count: u64,
    first: OffsetDateTime,
    last: OffsetDateTime,
}

/// Events since the last flush.
#[derive(Default)]
pub(crate) struct Notes(Mutex<HashMap<Event, Tally>>);

impl Notes {
    /// Counts an event.
    pub(crate) fn add(&self, event: Event) {
        let now = OffsetDateTime::now_utc();
        let mut tallies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full = tallies.len() >= APART && !tallies.contains_key(&event);
        let event = if full {
            Event { actor: None, submission_id: None, report_id: None, export_id: None, ..event }
        } else {
            event
        };
        let tally = tallies.entry(event).or_insert(Tally { count: 0, first: now, last: now });
        tally.count += 1;
        tally.last = now;
    }

    /// Takes what was counted.
    pub(crate) fn take(&self) -> Vec<AuditNote> {
        let tallies = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        tallies.into_iter().map(|(event, tally)| note(event, tally)).collect()
    }
}

fn note(event: Event, tally: Tally) -> AuditNote {
    AuditNote {
        action: event.action.to_owned(),
        outcome: event.outcome.to_owned(),
        route: event.route.to_owned(),
        status: event.status,
        class: event.class.to_owned(),
        client: event.client.as_deref().map(str::to_owned),
        actor: event.actor,
        submission_id: event.submission_id,
        report_id: event.report_id,
        export_id: event.export_id,
        count: tally.count,
        first: tally.first,
        last: tally.last,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(class: &'static str, actor: Option<Uuid>) -> Event {
        Event {
            action: "submission.submit",
            outcome: "refused",
            route: "/api/v1/epro/submit",
            status: 401,
            class,
            client: None,
            actor,
            submission_id: None,
            report_id: None,
            export_id: None,
        }
    }

    #[test]
    fn the_same_event_is_counted_and_another_is_told_apart() {
        let notes = Notes::default();
        for class in ["token_expired", "token_missing", "token_expired"] {
            notes.add(refused(class, None));
        }
        let mut taken = notes.take();
        taken.sort_by(|a, b| a.class.cmp(&b.class));
        assert_eq!(
            taken.iter().map(|n| (n.class.as_str(), n.count)).collect::<Vec<_>>(),
            [("token_expired", 2), ("token_missing", 1)]
        );
        assert!(taken[0].first <= taken[0].last);
        assert!(notes.take().is_empty());
    }

    #[test]
    fn a_flood_is_bounded_and_still_counted_to_the_last() {
        let notes = Notes::default();
        for _ in 0..5000 {
            notes.add(refused("token_expired", Some(Uuid::new_v4())));
        }
        let taken = notes.take();
        assert_eq!(taken.len(), APART + 1);
        assert_eq!(taken.iter().map(|note| note.count).sum::<u64>(), 5000);
    }
}
