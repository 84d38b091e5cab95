//! A queue is gone with all that was in it, and an operator does what docs/OPERATIONS.md says.

use std::time::Duration;

use anyhow::{Context, Result};
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use tokio::time::sleep;

use crate::faults::field::World;
use crate::faults::plan::Queue;
use crate::faults::struck::Effect;
use crate::{Stack, until};

/// A quorum queue is not crash-safe in its first second: nothing else is struck meanwhile.
const CRASH_SAFE: Duration = Duration::from_secs(2);
/// How long an operator may have to try.
const SOON: Duration = Duration::from_secs(60);
/// How long something may take to be there to be lost: whoever consumes learns of a pause within two seconds.
const FILLED: Duration = Duration::from_secs(15);
/// How long what came back to no queue may take until it is a dead letter.
const BOUND: Duration = Duration::from_secs(120);
/// What waited while its queue was away.
const OF_NO_QUEUE: &str = "SELECT count(*) FROM ops.dead_letter WHERE state = 'open' AND class = 'broker'";

/// Its lane is paused meanwhile: a queue whose messages are all in hand, or on their way to it, loses nothing.
pub(super) async fn lose(world: &World<'_>, queue: Queue, held: Duration) -> Result<Effect> {
    operates(world, &["pause", queue.lane(), "--reason", "its queue is to be lost"]).await?;
    let in_it = waiting(world, queue).await;
    let lost = gone(world, queue, held).await;
    operates(world, &["resume", queue.lane(), "--reason", "its queue is there again"]).await?;
    lost?;
    Ok(in_it.map_or(Effect::Void, Effect::Lost))
}

/// How many messages wait in a queue that nobody consumes any more; `None` if that doesn't come about.
async fn waiting(world: &World<'_>, queue: Queue) -> Option<u32> {
    let connection = world.stack.vhost().connect().await.ok()?;
    let messages = until("messages in a queue that nobody consumes", FILLED, || async {
        // One of its own each time: it ends with a look that fails.
        let channel = connection.create_channel().await?;
        let options = QueueDeclareOptions { passive: true, ..Default::default() };
        let found = channel.queue_declare(queue.name().into(), options, FieldTable::default()).await?;
        channel.close(200, "looked".into()).await?;
        let waits = found.consumer_count() == 0 && found.message_count() > 0;
        Ok(waits.then_some(found.message_count()))
    });
    let messages = messages.await.ok();
    // Closed in order or not: everything was looked at.
    let _ = connection.close(200, "looked".into()).await;
    messages
}

/// It is gone, and there again, and what was in it is to be published once more.
async fn gone(world: &World<'_>, queue: Queue, held: Duration) -> Result<()> {
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
pub(in crate::faults) async fn redrive_deliveries(stack: &Stack) -> Result<()> {
    let why = "the processes that ended were killed";
    let redrive = ["dead-letters", "redrive", "--lane", "hospitals", "--class", "quarantined", "--yes"];
    stack.epro(&[&redrive[..], &["--reason", why]].concat()).await.map(drop)
}
