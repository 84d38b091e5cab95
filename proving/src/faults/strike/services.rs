//! RabbitMQ and PostgreSQL, failing each in its own way.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::sleep;
use tokio_postgres::error::SqlState;

use crate::faults::field::{Ground, World};
use crate::faults::plan::Hop;
use crate::own::Own;
use crate::until;

/// RabbitMQ's usual watermark.
const WATERMARK: &str = "0.4";
/// How long RabbitMQ waits for an ack and how often it looks, in milliseconds: as it is shipped, and impatient.
const USUAL: (u32, u32) = (1_800_000, 60_000);
const IMPATIENT: (u32, u32) = (1_500, 500);
const ROUTINE: &str = "epro.submissions.routine";
/// How long workers may take to consume again.
const BACK: Duration = Duration::from_secs(15);

pub(in crate::faults) async fn stands_still(service: &Own, held: Duration) -> Result<()> {
    service.pause().await?;
    sleep(held).await;
    service.resume().await
}

pub(super) async fn broker_kill(world: &World<'_>, held: Duration) -> Result<()> {
    world.ground.broker.kill().await?;
    sleep(held).await;
    world.ground.broker.again().await
}

pub(super) async fn alarm(world: &World<'_>, held: Duration) -> Result<()> {
    watermark(world.ground, "0.000001").await?;
    sleep(held).await;
    watermark(world.ground, WATERMARK).await
}

async fn watermark(ground: &Ground, part: &str) -> Result<()> {
    ground.broker.rabbitmqctl(&["set_vm_memory_high_watermark", part]).await
}

/// RabbitMQ has as many connections as it allows: who had one is without, and is refused a new one.
pub(super) async fn no_connection_taken(world: &World<'_>, held: Duration) -> Result<()> {
    let (broker, vhost) = (&world.ground.broker, world.stack.vhost());
    broker.rabbitmqctl(&["set_vhost_limits", "-p", vhost.name(), r#"{"max-connections": 0}"#]).await?;
    let refused = vhost.connect().await.is_err();
    let closed = vhost.close_connections().await;
    sleep(held).await;
    broker.rabbitmqctl(&["clear_vhost_limits", "-p", vhost.name()]).await?;
    ensure!(refused, "RabbitMQ took a connection above its limit");
    closed.map(drop)
}

/// After a run that failed nobody knows what was undone. All runs share these services: the next one finds them as the
/// first one did.
pub(in crate::faults) async fn put_right(ground: &Ground) -> Result<()> {
    for service in [&ground.broker, &ground.postgres] {
        // One that is gone can't go on; it is started, and what already runs stays as it is.
        let _ = service.resume().await;
        service.again().await?;
    }
    watermark(ground, WATERMARK).await?;
    waits_for_acks(ground, USUAL).await
}

/// What is in hand can't be committed, and RabbitMQ waits for its ack no longer: it ends the channel. A channel keeps
/// the patience that it was opened with, so that all are made anew, before and after.
pub(super) async fn ack_timeout(world: &World<'_>, held: Duration) -> Result<()> {
    waits_for_acks(world.ground, IMPATIENT).await?;
    let hop = world.hop(Hop::WorkerPostgres);
    let vhost = world.stack.vhost();
    // Where every worker stands still just now, nobody consumes: then there is nothing to time out.
    let _ = until("a worker to consume", BACK, || async {
        Ok((vhost.consumers(ROUTINE).await? > 0).then_some(()))
    })
    .await;
    hop.stall();
    sleep(held).await;
    hop.pass();
    waits_for_acks(world.ground, USUAL).await
}

/// The node itself closes all that it has: one that is younger than its statistics, which the management API goes by,
/// would keep the patience that it was opened with.
async fn waits_for_acks(ground: &Ground, (timeout, tick): (u32, u32)) -> Result<()> {
    let set = format!(
        "application:set_env(rabbit, consumer_timeout, {timeout}), \
         application:set_env(rabbit, channel_tick_interval, {tick}), \
         [(catch rabbit_networking:close_connection(Pid, \"another patience\")) \
          || Pid <- rabbit_networking:connections()], ok."
    );
    ground.broker.rabbitmqctl(&["eval", &set]).await
}

pub(super) async fn postgres_kill(world: &World<'_>, held: Duration) -> Result<()> {
    world.ground.postgres.kill().await?;
    sleep(held).await;
    world.ground.postgres.again().await
}

pub(super) async fn ends_sessions(world: &World<'_>) -> Result<()> {
    let link = world.stack.database().connect().await?;
    let all = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    link.count(all).await.map(drop)
}

pub(super) async fn no_connection_left(world: &World<'_>, held: Duration) -> Result<()> {
    let mut hogs = Vec::new();
    while let Ok(hog) = world.stack.database().connect().await {
        hogs.push(hog);
    }
    sleep(held).await;
    Ok(())
}

/// No table can grow: SQLSTATE 53100. The log of transactions lies elsewhere, so that PostgreSQL itself goes on.
pub(super) async fn disk_full(world: &World<'_>, held: Duration) -> Result<()> {
    let disk = world.ground.disk.as_deref().context("a disk that may be filled")?;
    let ballast = Ballast(disk.join("ballast"));
    let file = ballast.0.clone();
    let link = world.stack.database().connect().await?;
    tokio::task::spawn_blocking(move || fill(&file)).await??;
    let more = "CREATE TEMPORARY TABLE more AS SELECT generate_series(1, 100000) AS n";
    let refused = link.client.batch_execute(more).await.err();
    let refused = refused.as_ref().and_then(tokio_postgres::Error::code);
    ensure!(refused == Some(&SqlState::DISK_FULL), "a disk that isn't full: {refused:?}");
    sleep(held).await;
    drop(ballast);
    Ok(())
}

/// What fills the disk; gone with this value.
struct Ballast(PathBuf);

impl Drop for Ballast {
    fn drop(&mut self) {
        // A disk that stayed full would fail every run after this one, and say so.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Writes until nothing more fits, down to the last page.
fn fill(path: &Path) -> Result<()> {
    let mut file = std::fs::File::create(path)?;
    let zeros = vec![0; 1 << 20];
    for part in [zeros.len(), 4096] {
        loop {
            match file.write(&zeros[..part]) {
                Ok(written) => ensure!(written > 0, "a file that takes nothing"),
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => break,
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}
