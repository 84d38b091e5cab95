//! What the broker says.

use epro_broker::topology::{self, Depth};
use epro_store::Store;
use epro_store::pause::Pause;

use super::Finding;
use crate::outside::Outside;

pub(super) async fn look(outside: &Outside<'_>, store: &Store) -> Vec<Finding> {
    found(outside, store).await.unwrap_or_else(|error| {
        vec![Finding::new(
            format!("RabbitMQ: {error:#}"),
            "nothing is accepted: the door answers 503",
            "bring RabbitMQ back; apps send again, workers go on by themselves",
        )]
    })
}

async fn found(outside: &Outside<'_>, store: &Store) -> anyhow::Result<Vec<Finding>> {
    let connection = outside.broker().await?;
    let pauses = store.pauses().await.unwrap_or_default();
    let ours = |lane| outside.config.worker.lanes.iter().any(|kind| kind.has(lane));
    let mut findings = Vec::new();
    for (lane, queue) in topology::CONSUMED {
        match pauses.iter().find(|pause| pause.stops_lane(lane)) {
            Some(pause) => findings.push(paused(lane, pause)),
            None if ours(lane) => {
                findings.extend(judge(lane, queue, topology::depth(&connection, queue).await?));
            }
            None => {}
        }
    }
    connection.close().await;
    Ok(findings)
}

fn paused(lane: &str, pause: &Pause) -> Finding {
    let finding = format!("lane {lane} is paused by {}: {}", pause.by, pause.reason);
    let (consequence, fix) = ("what comes waits in its queue", "epro resume, once the reason is gone");
    if pause.is_its_own() {
        Finding::new(finding, consequence, fix)
    } else {
        Finding::note(finding, consequence, fix)
    }
}

fn judge(lane: &str, queue: &str, depth: Option<Depth>) -> Option<Finding> {
    match depth {
        None => Some(Finding::new(
            format!("the queue {queue} is missing"),
            "what is for it is refused or kept as unsent",
            "epro topology apply",
        )),
        Some(Depth { consumers: 0, ready }) => Some(Finding::new(
            format!("lane {lane} has no consumer, {ready} messages wait"),
            "nothing of this kind is worked on",
            "look at the workers' /readyz and logs; is one running with this lane?",
        )),
        Some(_) => None,
    }
}
