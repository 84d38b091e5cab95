//! Sign-ins that failed and acts that were not done, on their way into the audit trail: counted, so that a flood of
//! them is a few rows with their exact count. Beside them those who signed in or out while PostgreSQL didn't take it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use epro_process::shutdown::Shutdown;
use epro_store::audit::{Actor, AuditEvent, AuditFacts};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::desk::{Desk, done};

/// How often what was counted is written down.
const EVERY: Duration = Duration::from_secs(5);
/// How long the last of it may take, when the process leaves.
const LAST: Duration = Duration::from_secs(2);
/// Why somebody who did sign in or out is counted with the others.
const LATE: &str = "written down late: PostgreSQL didn't take it when it happened";
/// Most kinds that are told apart until then. Above it network, client and what it was about are left out, and nothing
/// of the count. Who it was never is: the name is that of a token that was believed.
const APART: usize = 32;

/// One kind of what was not done, or was and could not be written down.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Attempt {
    /// What was asked for, as the trail calls it.
    pub action: &'static str,
    /// `refused` or `failed`; `ok` of what was done.
    pub outcome: &'static str,
    /// Why, in words of ours.
    pub why: String,
    /// Who is signed in.
    pub who: Option<String>,
    /// The number or the id of what it was about.
    pub about: Option<String>,
    /// The client that a token names which is believed, but allows nothing here.
    pub client: Option<Arc<str>>,
    /// Where from.
    pub network: Option<String>,
}

impl Attempt {
    /// Something that somebody has done.
    pub(crate) fn late(action: &'static str, who: String, network: Option<String>) -> Self {
        Self {
            action,
            outcome: "ok",
            why: LATE.to_owned(),
            who: Some(who),
            about: None,
            client: None,
            network,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Tally {
    count: u64,
    first: OffsetDateTime,
    last: OffsetDateTime,
    /// Of the first.
    trace_id: String,
}

impl Tally {
    fn join(&mut self, more: Self) {
        self.count += more.count;
        self.last = self.last.max(more.last);
        if more.first < self.first {
            (self.first, self.trace_id) = (more.first, more.trace_id);
        }
    }
}

/// What is to be written down.
#[derive(Default)]
pub(crate) struct TurnedAway(Mutex<HashMap<Attempt, Tally>>);

impl TurnedAway {
    /// Counts one, of that trace.
    pub(crate) fn note(&self, attempt: Attempt, trace_id: String) {
        let now = OffsetDateTime::now_utc();
        self.add(attempt, Tally { count: 1, first: now, last: now, trace_id });
    }

    fn add(&self, attempt: Attempt, more: Tally) {
        let mut kept = self.kept();
        let attempt = if kept.len() >= APART && !kept.contains_key(&attempt) {
            Attempt { about: None, client: None, network: None, ..attempt }
        } else {
            attempt
        };
        match kept.entry(attempt) {
            Entry::Occupied(mut tally) => tally.get_mut().join(more),
            Entry::Vacant(place) => {
                place.insert(more);
            }
        }
    }

    fn take(&self) -> HashMap<Attempt, Tally> {
        std::mem::take(&mut *self.kept())
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<Attempt, Tally>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes down what was counted every few seconds, until the process leaves.
pub(crate) async fn keep(desk: Arc<Desk>, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => flush(&desk).await,
            () = shutdown.requested() => return,
        }
    }
}

/// The same for the last time.
pub(crate) async fn leave(desk: &Desk) {
    let in_time = tokio::time::timeout(LAST, flush(desk)).await.is_ok();
    if !in_time || !desk.turned_away.kept().is_empty() {
        tracing::warn!("not in the audit trail: the last sign-ins, and acts that were not done");
    }
}

/// What PostgreSQL doesn't take is kept for the next time.
async fn flush(desk: &Desk) {
    if desk.picture().tables.down.is_some() {
        return;
    }
    let taken = desk.turned_away.take();
    if taken.is_empty() {
        return;
    }
    let events: Vec<AuditEvent> = taken.iter().map(|(attempt, tally)| event(attempt, tally)).collect();
    let recorded = async {
        let mut chain = desk.chain().await?;
        done(desk.store().record(&mut chain, &events)).await
    };
    if recorded.await.is_err() {
        for (attempt, tally) in taken {
            desk.turned_away.add(attempt, tally);
        }
    }
}

fn event(attempt: &Attempt, tally: &Tally) -> AuditEvent {
    let facts = AuditFacts {
        actor: attempt.who.clone().map_or(Actor::Unknown, Actor::Operator),
        client: attempt.client.as_deref().map(str::to_owned),
        from_network: attempt.network.clone(),
        trace_id: Some(tally.trace_id.clone()),
    };
    let details = json!({
        "why": attempt.why,
        "about": attempt.about,
        "count": tally.count,
        "first": tally.first.format(&Rfc3339).ok(),
        "last": tally.last.format(&Rfc3339).ok(),
    });
    AuditEvent::about(attempt.action, attempt.outcome, facts, details)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(n: u32) -> Attempt {
        Attempt {
            action: "dead_letter.revealed",
            outcome: "refused",
            why: ["a reason", "another"][n as usize % 2].to_owned(),
            who: n.is_multiple_of(3).then(|| "ann".to_owned()),
            about: Some(n.to_string()),
            client: None,
            network: Some(format!("10.{}.{}.0/24", n / 256 % 256, n % 256)),
        }
    }

    #[test]
    fn a_flood_from_everywhere_is_a_few_rows_and_none_is_left_out() {
        let away = TurnedAway::default();
        (0..100_000).for_each(|n| away.note(attempt(n), format!("{n:032x}")));
        let taken = away.take();
        // Behind those that are told apart: two reasons, Ann's and nobody's.
        assert!(taken.len() <= APART + 4, "{}", taken.len());
        let anns = taken.iter().filter(|(attempt, _)| attempt.who.is_some()).map(|(_, tally)| tally.count);
        assert_eq!(anns.sum::<u64>(), 33_334, "who it was is known of each");
        assert_eq!(taken.values().map(|tally| tally.count).sum::<u64>(), 100_000);
        assert!(away.take().is_empty());
        // What could not be written down is counted on.
        let total = taken.len();
        for (attempt, tally) in taken {
            let later = tally.last + Duration::from_secs(1);
            let again = Tally { count: 1, first: later, last: later, trace_id: "later".into() };
            away.add(attempt.clone(), again);
            away.add(attempt, tally);
        }
        let taken = away.take();
        assert!(taken.values().all(|tally| tally.trace_id != "later"), "the trace is that of the first");
        assert_eq!(taken.values().map(|tally| tally.count).sum::<u64>(), 100_000 + total as u64);
    }
}
