//! What the broker says.

use epro_broker::topology::{self, Depth};
use epro_process::config::Lane;
use epro_store::Store;

use super::Finding;
use crate::outside::Outside;

/// (lane, kind of lane, queue)
const QUEUES: [(&str, Lane, &str); 6] = [
    ("submissions.urgent", Lane::Submissions, topology::SUBMISSIONS_URGENT),
    ("submissions.routine", Lane::Submissions, topology::SUBMISSIONS_ROUTINE),
    ("submissions.deferred", Lane::Submissions, topology::SUBMISSIONS_DEFERRED),
    ("dead", Lane::Dead, topology::DEAD),
    ("commands", Lane::Commands, topology::COMMANDS),
    ("alerts", Lane::Alerts, topology::ALERTS),
];

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
    let paused = |lane: &str| {
        let kind = lane.split('.').next().unwrap_or(lane);
        pauses.iter().find(|pause| pause.kind == "lane" && (pause.key == lane || pause.key == kind))
    };
    let mut findings = Vec::new();
    for (lane, kind, queue) in QUEUES {
        if !outside.config.worker.lanes.contains(&kind) {
            continue;
        }
        let depth = topology::depth(&connection, queue).await?;
        match (paused(lane), depth) {
            (Some(pause), _) => findings.push(Finding::new(
                format!("lane {lane} is paused by {}: {}", pause.by, pause.reason),
                "what comes waits in its queue",
                "epro resume, once the reason is gone",
            )),
            (None, depth) => findings.extend(judge(lane, queue, depth)),
        }
    }
    connection.close().await;
    Ok(findings)
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
