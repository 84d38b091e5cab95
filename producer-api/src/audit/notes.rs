//! Events of the same kind, counted.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use epro_schemas::audit_note::AuditNote;
use epro_store::audit::network;
use time::OffsetDateTime;
use uuid::Uuid;

use super::pace::Pace;
use crate::trace::Given;

/// Most kinds of reading that are told apart between two flushes. Above it the actor, the
/// submission and the report are left out; what remains is bounded by the configuration. Nothing is left out
/// of the count.
const APART: usize = 1024;
/// The same of refusals, between two times that they are told: a flood of them must not fill the trail. Above it route
/// and client are left out as well: what remains is one a kind of refusal.
const REFUSALS_APART: usize = 32;
/// What stands for any route, and for what was asked of it.
const ANY_ROUTE: &str = "*";
const ANY_ACTION: &str = "request";
/// The outcome of what was refused.
pub(crate) const REFUSED: &str = "refused";
/// Most networks that are told of one kind.
const NETWORKS: usize = 8;

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

impl Event {
    /// What is left of it when too many are told apart.
    fn blurred(self) -> Self {
        let known = Self { actor: None, submission_id: None, report_id: None, export_id: None, ..self };
        if known.outcome == REFUSED {
            Self { action: ANY_ACTION, route: ANY_ROUTE, client: None, ..known }
        } else {
            known
        }
    }

    /// A note of this event by itself.
    pub(crate) fn alone(self, origin: &Origin) -> AuditNote {
        let mut tally = Tally::begin(OffsetDateTime::now_utc(), origin);
        tally.add(tally.first, origin);
        note(self, tally)
    }
}

/// Where a request came from, and the trace that it says it belongs to.
#[derive(Clone, Default)]
pub(crate) struct Origin {
    pub(crate) address: Option<IpAddr>,
    pub(crate) given: Option<Given>,
}

struct Tally {
    count: u64,
    first: OffsetDateTime,
    last: OffsetDateTime,
    networks: Vec<String>,
    further_networks: bool,
    trace_id: Option<String>,
}

/// Events since the last flush.
#[derive(Default)]
pub(crate) struct Notes(Mutex<Tallies>);

#[derive(Default)]
struct Tallies {
    readings: HashMap<Event, Tally>,
    refusals: HashMap<Event, Tally>,
    pace: Pace,
}

impl Notes {
    /// Counts an event.
    pub(crate) fn add(&self, event: Event, origin: &Origin) {
        let now = OffsetDateTime::now_utc();
        let mut tallies = self.lock();
        let (of, apart) = if event.outcome == REFUSED {
            tallies.pace.refused();
            (&mut tallies.refusals, REFUSALS_APART)
        } else {
            (&mut tallies.readings, APART)
        };
        let full = of.len() >= apart && !of.contains_key(&event);
        let event = if full { event.blurred() } else { event };
        of.entry(event).or_insert_with(|| Tally::begin(now, origin)).add(now, origin);
    }

    /// A tick: takes what is to be told now.
    pub(crate) fn due(&self) -> Vec<AuditNote> {
        let mut tallies = self.lock();
        let due = tallies.pace.is_due();
        let readings = std::mem::take(&mut tallies.readings);
        let refusals = if due { std::mem::take(&mut tallies.refusals) } else { HashMap::new() };
        drop(tallies);
        notes(readings.into_iter().chain(refusals))
    }

    /// Takes all that was counted.
    pub(crate) fn take(&self) -> Vec<AuditNote> {
        let tallies = std::mem::take(&mut *self.lock());
        notes(tallies.readings.into_iter().chain(tallies.refusals))
    }

    fn lock(&self) -> MutexGuard<'_, Tallies> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn notes(counted: impl Iterator<Item = (Event, Tally)>) -> Vec<AuditNote> {
    counted.map(|(event, tally)| note(event, tally)).collect()
}

impl Tally {
    fn begin(now: OffsetDateTime, origin: &Origin) -> Self {
        Self {
            count: 0,
            first: now,
            last: now,
            networks: Vec::new(),
            further_networks: false,
            trace_id: origin.given.as_ref().map(|given| given.id().to_owned()),
        }
    }

    fn add(&mut self, now: OffsetDateTime, origin: &Origin) {
        self.count += 1;
        self.last = now;
        if let Some(address) = origin.address {
            self.came_from(network(address));
        }
    }

    fn came_from(&mut self, network: String) {
        if self.networks.contains(&network) {
            return;
        }
        if self.networks.len() < NETWORKS {
            self.networks.push(network);
        } else {
            self.further_networks = true;
        }
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
        networks: tally.networks,
        further_networks: tally.further_networks,
        trace_id: tally.trace_id,
        count: tally.count,
        first: tally.first,
        last: tally.last,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

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
            notes.add(refused(class, None), &Origin::default());
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

    /// What callers without an account are refused for.
    const CLASSES: [&str; 5] =
        ["token_missing", "token_malformed", "token_unknown_key", "token_algorithm", "token_signature"];
    const ROUTES: [&str; 13] = ["/a", "/b", "/c", "/d", "/e", "/f", "/g", "/h", "/i", "/j", "/k", "/l", "/m"];

    /// For hours, on all routes, from as many places, with every tenth tick of the post left out.
    #[test]
    fn a_million_refusals_are_less_than_a_thousand_rows_and_none_is_left_out() {
        const TICKS: u64 = 2_000;
        const EACH: u64 = 1_000_000 / (TICKS * 9 / 10) + 1;
        let notes = Notes::default();
        let mut told: Vec<AuditNote> = Vec::new();
        let mut sent = 0_u64;
        for tick in 0..TICKS {
            for _ in (0..EACH).filter(|_| tick % 10 != 9) {
                let address = Ipv4Addr::from(u32::try_from(sent << 8).unwrap_or(0));
                let class = CLASSES[usize::try_from(sent % 5).unwrap()];
                let route = ROUTES[usize::try_from(sent % 13).unwrap()];
                let from = Origin { address: Some(address.into()), given: None };
                notes.add(Event { route, ..refused(class, None) }, &from);
                sent += 1;
            }
            told.extend(notes.due());
        }
        told.extend(notes.take());
        assert!(sent >= 1_000_000 && told.len() <= 1_000, "{} rows of {sent}", told.len());
        let count = |class: Option<&str>| {
            let of = told.iter().filter(|note| class.is_none_or(|class| note.class == class));
            of.map(|note| note.count).sum::<u64>()
        };
        assert_eq!(count(None), sent);
        for class in CLASSES {
            assert!(count(Some(class)).abs_diff(sent / 5) <= 1, "{class}: {} of {sent}", count(Some(class)));
        }
    }

    #[test]
    fn readings_are_told_at_each_tick_while_refusals_wait_and_the_end_tells_all() {
        let notes = Notes::default();
        let flood = || (0..100).for_each(|_| notes.add(refused("token_missing", None), &Origin::default()));
        flood();
        assert_eq!(notes.due().len(), 1);
        flood();
        notes.add(Event { outcome: "ok", ..refused("ok", None) }, &Origin::default());
        assert_eq!(notes.due().iter().map(|note| note.class.as_str()).collect::<Vec<_>>(), ["ok"]);
        assert_eq!(notes.take().iter().map(|note| note.count).collect::<Vec<_>>(), [100]);
    }

    #[test]
    fn a_flood_is_bounded_and_still_counted_to_the_last() {
        let notes = Notes::default();
        let from = |n: u32| Origin { address: Some(Ipv4Addr::from(n << 8).into()), given: None };
        let read = Event { outcome: "ok", ..refused("ok", Some(Uuid::nil())) };
        for n in 0..5000 {
            notes.add(refused("token_expired", Some(Uuid::new_v4())), &from(n));
            notes.add(Event { actor: Some(Uuid::from_u128(n.into())), ..read.clone() }, &from(1));
        }
        let (refusals, readings): (Vec<_>, Vec<_>) =
            notes.take().into_iter().partition(|note| note.outcome == REFUSED);
        for (notes, apart) in [(&refusals, REFUSALS_APART), (&readings, APART)] {
            assert_eq!(notes.len(), apart + 1);
            assert_eq!(notes.iter().map(|note| note.count).sum::<u64>(), 5000);
        }
        let rest = refusals.iter().find(|note| note.actor.is_none()).unwrap();
        assert_eq!((rest.networks.len(), rest.further_networks), (NETWORKS, true));
        assert!(readings.iter().all(|note| note.networks == ["0.0.1.0/24"]));
    }
}
