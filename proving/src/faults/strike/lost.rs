//! A queue is gone with all that was in it, and an operator does what docs/OPERATIONS.md says.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::sleep;

use crate::faults::field::World;
use crate::faults::plan::Queue;
use crate::until;

/// A quorum queue is not crash-safe in its first second: nothing else is struck meanwhile.
const CRASH_SAFE: Duration = Duration::from_secs(2);
/// How long an operator may have to try.
const SOON: Duration = Duration::from_secs(60);
/// How long what came back to no queue may take until it is a dead letter.
const BOUND: Duration = Duration::from_secs(120);
/// What waited while its queue was away.
const OF_NO_QUEUE: &str = "SELECT count(*) FROM ops.dead_letter WHERE state = 'open' AND class = 'broker'";

pub(super) async fn lose(world: &World<'_>, queue: Queue, held: Duration) -> Result<()> {
    let vhost = world.stack.vhost();
    // A broker that has just started may still look for the queue's leader.
    until("a queue to be deleted", SOON, || async {
        let deleted = vhost.delete_queue(queue.name()).await;
        let is_there = vhost.queues().await?.iter().any(|name| name == queue.name());
        if is_there { deleted.map(|()| None) } else { Ok(Some(())) }
    })
    .await?;
    world.noted.loss();
    sleep(held).await;
    operates(world, &["topology", "apply"]).await?;
    sleep(CRASH_SAFE).await;
    let why = "the queue was deleted";
    operates(world, &["reconcile", "--queue", queue.name(), "--yes", "--reason", why]).await
}

/// An operator tries again, too.
async fn operates(world: &World<'_>, args: &[&str]) -> Result<()> {
    until("an operator's command", SOON, || async { world.stack.epro(args).await.map(|_| Some(())) }).await
}

/// What waited for its next try while its queue was away came back to none: it lies among the dead letters, and is
/// redriven until nothing waits any more.
pub(in crate::faults) async fn redrive(world: &World<'_>) -> Result<()> {
    let link = world.stack.database().connect().await?;
    let vhost = world.stack.vhost();
    until("what came back to no queue to be redriven", BOUND, || async {
        if link.count(OF_NO_QUEUE).await? > 0 {
            let why = "its queue is there again";
            let redrive = ["dead-letters", "redrive", "--class", "broker", "--yes", "--reason", why];
            world.stack.epro(&redrive).await?;
            return Ok(None);
        }
        let mut under_way = 0;
        for name in vhost.queues().await? {
            if name.starts_with("epro.wait.") || name == "epro.dead" {
                under_way += vhost.messages(&name).await?;
            }
        }
        Ok((under_way == 0 && link.count(OF_NO_QUEUE).await? == 0).then_some(()))
    })
    .await
    .context("an operator after a lost queue")
}

/// A delivery that was in hand whenever a process was killed is quarantined, as a submission is: an operator sends it
/// again.
pub(in crate::faults) async fn redrive_deliveries(world: &World<'_>) -> Result<()> {
    let why = "the processes that ended were killed";
    let redrive = ["dead-letters", "redrive", "--lane", "hospitals", "--class", "quarantined", "--yes"];
    world.stack.epro(&[&redrive[..], &["--reason", why]].concat()).await.map(drop)
}
