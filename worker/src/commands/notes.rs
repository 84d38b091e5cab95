//! Notes for the audit trail: what the door refused, and who read what.

use epro_schemas::audit_note::AuditNote;
use epro_store::audit::{Actor, AuditEvent, AuditFacts};
use epro_store::commands::Note;
use serde_json::json;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::Commands;
use crate::failure::Failure;
use crate::fault::{self, Seam};
use crate::hold::{GivenUp, until_done};
use crate::in_flight::InFlight;
use crate::lane::Handled;
use crate::parts::Parts;

impl Commands {
    /// Records them, acks. A note that PostgreSQL refuses is split off; the others are recorded.
    pub(super) async fn note(
        &self,
        notes: Vec<(InFlight, Note)>,
        suspect: Option<Uuid>,
        failed: &mut Vec<(InFlight, Failure)>,
        handled: &mut Handled,
    ) {
        let (carriers, notes): (Vec<InFlight>, Vec<Note>) = notes.into_iter().unzip();
        let mut carriers: Vec<Option<InFlight>> = carriers.into_iter().map(Some).collect();
        let mut parts = Parts::of(notes.len());
        let mut chain = self.chains.take().await;
        while let Some(part) = parts.next() {
            fault::at(Seam::BeforeCommit, None);
            let range = part.clone();
            match until_done!(
                self.hold,
                "audit",
                self.store.note(chain.chain(), &notes[range.clone()], suspect)
            ) {
                Ok(receipt) => {
                    fault::at(Seam::AfterCommit, None);
                    for one in carriers[part].iter_mut().filter_map(Option::take) {
                        metrics::counter!("epro_commands_total", "lane" => "commands", "outcome" => "done")
                            .increment(1);
                        one.delivery.ack(&receipt);
                        handled.settled(one.place, None);
                    }
                }
                Err(GivenUp::Row(error)) => {
                    let alone = parts.refused(part).and_then(|alone| carriers[alone].take());
                    failed.extend(alone.map(|one| (one, Failure::Refused(error))));
                }
                Err(GivenUp::HoldOver) => break,
            }
        }
        handled.undone.extend(carriers.into_iter().flatten().map(|one| one.delivery));
    }
}

/// The network, if there is just one.
fn only(networks: &[String]) -> Option<String> {
    if let [network] = networks { Some(network.clone()) } else { None }
}

/// What is to be recorded.
pub(super) fn event(note: AuditNote) -> AuditEvent {
    AuditEvent {
        action: note.action,
        outcome: note.outcome,
        facts: AuditFacts {
            actor: note.actor.map_or(Actor::Unknown, Actor::Delegate),
            client: note.client,
            from_network: if note.further_networks { None } else { only(&note.networks) },
            trace_id: note.trace_id,
        },
        submission_id: note.submission_id,
        pseudonym: None,
        site_id: None,
        study_id: None,
        body_sha256: None,
        received_at: None,
        details: json!({
            "route": note.route,
            "report": note.report_id,
            "status": note.status,
            "class": note.class,
            "export": note.export_id,
            "networks": (note.networks.len() > 1).then_some(&note.networks),
            "further_networks": note.further_networks.then_some(true),
            "count": note.count,
            "first": note.first.format(&Rfc3339).ok(),
            "last": note.last.format(&Rfc3339).ok(),
        }),
    }
}
