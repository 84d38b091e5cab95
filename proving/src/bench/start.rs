//! From the start of a process to its first ack, while messages wait: how soon a replica that an autoscaler adds is of
//! use. Beside it the bare loop, from its first connection: it has no process to start, and nothing to check.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::bare_loop::{self, Shape};
use super::ground::{Cargo, Ground};
use super::publisher::Message;
use crate::proxy::{Proxy, Side, Then, Trigger};
use crate::services::host_port;

/// Messages that wait.
const QUEUED: usize = 10_000;
/// A process that has acked nothing by then never will.
const BOUND: Duration = Duration::from_secs(30);

/// Milliseconds from the worker's start to its first ack, as it passes a relay in front of the broker.
pub(super) async fn ours(ground: &Ground, cargo: &Cargo) -> Result<f64> {
    let count = fill(ground, cargo).await?;
    let amqp = ground.stack.vhost().url();
    let proxy = Proxy::to(&host_port(amqp)?).await?;
    let led = proxy.lead(amqp)?;
    let began = Instant::now();
    let mut first = first_ack(&proxy, began);
    let mut worker = ground.stack.spawn("epro-worker", &[("EPRO__BROKER__URL", led.as_str())])?;
    let took = milliseconds(&mut first).await.with_context(|| worker.output())?;
    ground.stored(count).await?;
    ground.finish(&mut worker).await?;
    ground.empty(cargo.site).await?;
    Ok(took)
}

/// The same of the bare loop, from before it connects.
pub(super) async fn bare(ground: &Ground, cargo: &Cargo) -> Result<f64> {
    let count = fill(ground, cargo).await?;
    let proxy = Proxy::to(&host_port(ground.stack.vhost().url())?).await?;
    let shape = Shape { broker: proxy.lead(&ground.amqp())?, ..ground.shape(cargo) };
    let mut first = first_ack(&proxy, Instant::now());
    bare_loop::run(&shape, &cargo.rows, count).await?;
    let took = milliseconds(&mut first).await?;
    ground.stored(count).await?;
    ground.empty(cargo.site).await?;
    Ok(took)
}

async fn fill(ground: &Ground, cargo: &Cargo) -> Result<usize> {
    let some: Vec<Message> = cargo.messages.iter().take(QUEUED).cloned().collect();
    let count = some.len();
    ground.fill(&Arc::new(some)).await?;
    Ok(count)
}

/// Nobody but a consumer of submissions acks anything here: no other queue holds a message.
fn first_ack(proxy: &Proxy, since: Instant) -> JoinSet<Result<Duration>> {
    let trip = proxy.arm(Side::Client, Trigger::ack(), Then::Pass);
    let mut waiting = JoinSet::new();
    waiting.spawn(async move {
        trip.tripped().await?;
        Ok(since.elapsed())
    });
    waiting
}

async fn milliseconds(waiting: &mut JoinSet<Result<Duration>>) -> Result<f64> {
    let first = timeout(BOUND, waiting.join_next()).await.context("nothing was acked")?;
    Ok(first.context("nobody waits for the first ack")???.as_secs_f64() * 1000.0)
}
