//! Lane `commands`: what the door asks a worker to write, so that the API itself never writes.

use std::sync::Arc;

use epro_schemas::audit_note::AuditNote;
use epro_schemas::kind;
use epro_store::Store;
use epro_store::audit::{Actor, AuditEvent, AuditFacts};
use epro_store::dead_letters::Class;
use serde_json::json;
use time::format_description::well_known::Rfc3339;

use crate::chains::Chains;
use crate::failure::Failure;
use crate::hold::{Hold, until_done};
use crate::in_flight::InFlight;
use crate::lane::{Chunk, Handled, Work};
use crate::submissions::route::Route;

/// The work of `epro.commands`.
pub(crate) struct Commands {
    pub store: Store,
    pub hold: Hold,
    pub chains: Chains,
    pub route: Arc<Route>,
}

impl Work for Commands {
    async fn handle(self: Arc<Self>, chunk: Chunk) -> Handled {
        let mut handled = Handled::begin(&chunk);
        let (mut events, mut carriers) = (Vec::new(), Vec::new());
        for (place, delivery) in chunk.deliveries.into_iter().enumerate() {
            let one = InFlight::new(delivery, place, "commands");
            match read(&one) {
                Some(note) => {
                    events.push(event(note));
                    carriers.push(one);
                }
                None => self.set_aside(one, &mut handled).await,
            }
        }
        let mut chain = self.chains.take().await;
        let recorded = until_done!(self.hold, "audit", self.store.record(chain.chain(), &events));
        for one in carriers {
            match &recorded {
                Ok(receipt) => {
                    one.delivery.ack(receipt);
                    handled.settled(one.place, None);
                }
                Err(_) => handled.undone.push(one.delivery),
            }
        }
        handled
    }
}

impl Commands {
    async fn set_aside(&self, one: InFlight, handled: &mut Handled) {
        let failure = Failure::Foreign;
        let Some(dead_letter) = one.dead_letter(&failure, Class::Unreadable, &self.route.keys.seal) else {
            return handled.undone.push(one.delivery);
        };
        let mut chain = self.chains.take().await;
        let dead_letters = [dead_letter];
        let written =
            until_done!(self.hold, "dead letter", self.store.set_aside(chain.chain(), &dead_letters, None));
        match written.as_deref() {
            Ok([receipt, ..]) => {
                one.delivery.ack(receipt);
                handled.settled(one.place, Some(Class::Unreadable.as_str()));
            }
            _ => handled.undone.push(one.delivery),
        }
    }
}

fn read(one: &InFlight) -> Option<AuditNote> {
    if one.delivery.kind() != Some(kind::AUDIT) {
        return None;
    }
    serde_json::from_slice(&one.delivery.body()).ok()
}

fn event(note: AuditNote) -> AuditEvent {
    AuditEvent {
        action: note.action,
        outcome: note.outcome,
        facts: AuditFacts {
            actor: note.actor.map_or(Actor::Unknown, Actor::Delegate),
            client: note.client,
            from_network: None,
            trace_id: None,
        },
        submission_id: note.submission_id,
        pseudonym: None,
        site_id: None,
        study_id: None,
        body_sha256: None,
        received_at: None,
        details: json!({
            "route": note.route,
            "status": note.status,
            "class": note.class,
            "count": note.count,
            "first": note.first.format(&Rfc3339).ok(),
            "last": note.last.format(&Rfc3339).ok(),
        }),
    }
}
