//! Acknowledgements: somebody has an alert in hand, and nobody is told of it any more.

use std::time::Duration;

use epro_schemas::alert::Acknowledgement;
use epro_store::alerts::{Ended, Party};
use epro_store::audit::{Actor, AuditEvent, AuditFacts};
use epro_store::commands::Note;
use serde_json::json;
use uuid::Uuid;

use super::{Commands, LANE};
use crate::failure::Failure;
use crate::hold::{GivenUp, until_done};
use crate::in_flight::InFlight;
use crate::lane::Handled;
use crate::settling::now;
use crate::starts::{Start, key_of_waited};

impl Commands {
    /// Ends each alert, acks. One that isn't there may still come (PostgreSQL was away): its message waits, and
    /// in the end leaves an audit row.
    pub(super) async fn acknowledge(
        &self,
        acknowledged: Vec<(InFlight, Acknowledgement)>,
        start: Option<&mut Start>,
        failed: &mut Vec<(InFlight, Failure)>,
        handled: &mut Handled,
    ) {
        let suspect = start.as_deref().map(Start::key);
        for (one, command) in acknowledged {
            let (party, facts) = (
                Party { studies: command.studies, sites: command.sites },
                AuditFacts {
                    actor: Actor::Delegate(command.actor),
                    client: command.client,
                    from_network: command.from_network,
                    trace_id: command.trace_id,
                },
            );
            let alert = command.alert_id;
            let suspect = suspect.or_else(|| key_of_waited(&one.delivery));
            let mut chain = self.chains.take().await;
            let ended = until_done!(
                self.hold,
                "acknowledgement",
                self.store.acknowledge_alert(chain.chain(), alert, &party, &facts, suspect)
            );
            drop(chain);
            match ended {
                Ok((_, Ended::Absent)) if self.may_wait(&one) => {
                    let place = one.place;
                    let given_up = self.settling().park_all(vec![one]).await;
                    if given_up.is_empty() {
                        handled.settled(place, None);
                    }
                    handled.undone.extend(given_up.into_iter().map(|one| one.delivery));
                }
                Ok((_, Ended::Absent)) => {
                    let event = unknown(alert, facts);
                    let message_id = one.delivery.message_id().unwrap_or(Uuid::nil());
                    self.note(vec![(one, Note { message_id, event })], suspect, failed, handled).await;
                }
                Ok((receipt, ended)) => {
                    let outcome = ended.as_str();
                    metrics::counter!("epro_commands_total", "lane" => LANE, "outcome" => outcome)
                        .increment(1);
                    tracing::info!(%alert, outcome, "an alert was acknowledged");
                    one.delivery.ack(&receipt);
                    handled.settled(one.place, None);
                }
                Err(GivenUp::Row(error)) => failed.push((one, Failure::Refused(error))),
                Err(GivenUp::HoldOver) => handled.undone.push(one.delivery),
            }
        }
        // One that waits is forgotten by no commit.
        if let Some(start) = start.filter(|_| handled.undone.is_empty()) {
            start.acquit();
        }
    }

    fn may_wait(&self, one: &InFlight) -> bool {
        let Some(since) = one.delivery.headers().waiting_since else { return true };
        let waited = u64::try_from(now().saturating_sub(since)).unwrap_or(0);
        Duration::from_millis(waited) < self.wait_budget
    }
}

/// Nobody knows the alert that was acknowledged.
fn unknown(alert: Uuid, facts: AuditFacts) -> AuditEvent {
    AuditEvent {
        action: "alert.acknowledged".to_owned(),
        outcome: Ended::Absent.as_str().to_owned(),
        facts,
        submission_id: None,
        pseudonym: None,
        site_id: None,
        study_id: None,
        body_sha256: None,
        received_at: None,
        details: json!({ "alert": alert }),
    }
}
