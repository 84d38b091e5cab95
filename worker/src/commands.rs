//! Lane `commands`: what the door asks a worker to write, so that the API itself never writes.
//!
//! What a message asks for is told by its type; each type has its own file. What can't be done goes through
//! the failure table as everywhere ([`Failure`]).

mod acknowledge;
mod notes;

use std::sync::Arc;
use std::time::Duration;

use epro_broker::{Delivery, Publisher};
use epro_schemas::alert::Acknowledgement;
use epro_schemas::kind;
use epro_schemas::seal::KeyRing;
use epro_store::Store;
use epro_store::commands::Note;
use uuid::Uuid;

use crate::chains::Chains;
use crate::failure::{Disposition, Failure};
use crate::hold::Hold;
use crate::in_flight::{InFlight, guarded};
use crate::lane::{Chunk, Handled, Work};
use crate::said::said;
use crate::settling::Settling;
use crate::starts::{MOST_STARTS, Start, Starts};
use crate::submissions::route::Route;

const LANE: &str = "commands";

/// The work of `epro.commands`.
pub(crate) struct Commands {
    pub store: Store,
    pub publisher: Publisher,
    pub hold: Hold,
    pub chains: Chains,
    pub starts: Starts,
    pub route: Arc<Route>,
    /// How long an acknowledgement waits for an alert that isn't there (yet).
    pub wait_budget: Duration,
    /// How long a command waits for the key that sealed it.
    pub key_budget: Duration,
}

/// What a message asks for.
enum Command {
    /// A row in the audit trail.
    Note(Note),
    /// The end of an alert.
    Acknowledge(Acknowledgement),
}

impl Work for Commands {
    async fn handle(self: Arc<Self>, chunk: Chunk) -> Handled {
        let (mut handled, mut start) = (Handled::default(), None);
        let live = chunk.deliveries.into_iter().filter(Delivery::is_live);
        let mut in_flight: Vec<InFlight> =
            live.enumerate().map(|(place, delivery)| InFlight::new(delivery, place, LANE)).collect();
        if let Some(first) = in_flight.first().filter(|_| chunk.suspect) {
            let key = first.delivery.message_id().unwrap_or(Uuid::nil());
            match self.starts.start(key, LANE, &self.hold).await {
                Ok(counted) => start = Some(counted),
                Err(_) => {
                    handled.undone.extend(in_flight.into_iter().map(|one| one.delivery));
                    return handled;
                }
            }
        }
        let (suspect, starts) = (start.as_ref().map(Start::key), start.as_ref().map_or(0, Start::count));
        let (mut notes, mut acknowledged, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        for one in in_flight.drain(..) {
            let read = || guarded(|| read(&one.delivery, &self.route.keys.seal));
            match if starts < MOST_STARTS { read() } else { Err(Failure::Quarantined) } {
                Ok(Command::Note(note)) => notes.push((one, note)),
                Ok(Command::Acknowledge(command)) => acknowledged.push((one, command)),
                Err(failure) => failed.push((one, failure)),
            }
        }
        if !acknowledged.is_empty() {
            self.acknowledge(acknowledged, start.as_mut(), &mut failed, &mut handled).await;
        }
        if !notes.is_empty() {
            self.note(notes, suspect, &mut failed, &mut handled).await;
        }
        let panicked = failed.iter().any(|(_, failure)| *failure == Failure::Panicked);
        if let Some(start) = start.take_if(|_| panicked) {
            start.stays();
        }
        let waits = self.dispose(failed, suspect, &mut handled).await;
        // No commit forgets one that waits.
        if let Some(start) = start.as_mut().filter(|_| waits) {
            start.acquit();
        }
        handled
    }
}

/// What it asks for, by its type.
fn read(delivery: &Delivery, ring: &KeyRing) -> Result<Command, Failure> {
    let message_id = delivery.message_id().ok_or(Failure::Foreign)?;
    match delivery.kind() {
        Some(kind::AUDIT) => {
            Ok(Command::Note(Note { message_id, event: notes::event(said(delivery, ring)?) }))
        }
        Some(kind::ACKNOWLEDGEMENT) => said(delivery, ring).map(Command::Acknowledge),
        _ => Err(Failure::Foreign),
    }
}

impl Commands {
    /// Whether any waits.
    async fn dispose(
        &self,
        mut failed: Vec<(InFlight, Failure)>,
        suspect: Option<Uuid>,
        handled: &mut Handled,
    ) -> bool {
        failed.sort_by_key(|(one, _)| one.place);
        let mut waiting = Vec::new();
        for (one, failure) in failed {
            match failure.disposition() {
                // For its key: nothing else that a command lacks may come.
                Disposition::Wait(_) if one.may_wait(self.key_budget) => waiting.push(one),
                Disposition::SetAside(class) | Disposition::Wait(class) => {
                    let given_up = self.settling().set_aside(one, &failure, class, suspect, handled).await;
                    handled.undone.extend(given_up.map(|one| one.delivery));
                }
                Disposition::Requeue => {
                    tracing::warn!(lane = LANE, "gave a delivery back: {}", failure.rule());
                    one.delivery.requeue();
                }
            }
        }
        let waits = !waiting.is_empty();
        let given_up = self.settling().park_all(waiting).await;
        handled.undone.extend(given_up.into_iter().map(|one| one.delivery));
        waits
    }

    fn settling(&self) -> Settling<'_> {
        Settling {
            lane: LANE,
            counted: "epro_commands_total",
            route: &self.route,
            store: &self.store,
            publisher: &self.publisher,
            chains: &self.chains,
            hold: self.hold.clone(),
            parking: self.hold.clone(),
        }
    }
}
