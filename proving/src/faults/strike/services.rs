//! RabbitMQ and PostgreSQL, failing each in its own way, and known to have failed.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tokio_postgres::error::SqlState;

use super::seen;
use crate::faults::field::{Ground, World};
use crate::faults::plan::Hop;
use crate::faults::struck::Effect;
use crate::own::Own;
use crate::proxy::Trigger;
use crate::until;

/// Fails while an alarm is in force, and names it.
const ALARMS: &str = "/api/health/checks/local-alarms";
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

pub(super) async fn broker_freeze(world: &World<'_>, held: Duration) -> Result<Effect> {
    let asked = world.stack.vhost().management().get("/api/overview");
    freeze(&world.ground.broker, asked, held).await
}

pub(super) async fn postgres_freeze(world: &World<'_>, held: Duration) -> Result<Effect> {
    freeze(&world.ground.postgres, world.stack.database().connect(), held).await
}

/// Who is asked meanwhile doesn't answer.
async fn freeze<T>(service: &Own, asked: impl Future<Output = Result<T>>, held: Duration) -> Result<Effect> {
    service.pause().await?;
    let end = Instant::now() + held;
    let answered = matches!(timeout_at(end, asked).await, Ok(Ok(_)));
    sleep_until(end).await;
    service.resume().await?;
    Ok(Effect::shown(!answered))
}

pub(super) async fn broker_kill(world: &World<'_>, held: Duration) -> Result<Effect> {
    kill(&world.ground.broker, held).await
}

pub(super) async fn postgres_kill(world: &World<'_>, held: Duration) -> Result<Effect> {
    kill(&world.ground.postgres, held).await
}

/// It is gone before anything else is done.
async fn kill(service: &Own, held: Duration) -> Result<Effect> {
    service.kill().await?;
    sleep(held).await;
    service.again().await?;
    Ok(Effect::Struck)
}

pub(super) async fn alarm(world: &World<'_>, held: Duration) -> Result<Effect> {
    watermark(world.ground, "0.000001").await?;
    let end = Instant::now() + held;
    let sounds = until("the memory alarm", held, || async { Ok(in_alarm(world).await.then_some(())) }).await;
    sleep_until(end).await;
    watermark(world.ground, WATERMARK).await?;
    Ok(Effect::shown(sounds.is_ok()))
}

async fn in_alarm(world: &World<'_>) -> bool {
    let checked = world.stack.vhost().management().get(ALARMS).await;
    checked.is_err_and(|error| error.to_string().contains("memory"))
}

pub(super) async fn closes_connections(world: &World<'_>) -> Result<Effect> {
    Ok(Effect::shown(world.stack.vhost().close_connections().await? > 0))
}

async fn watermark(ground: &Ground, part: &str) -> Result<()> {
    ground.broker.rabbitmqctl(&["set_vm_memory_high_watermark", part]).await
}

/// RabbitMQ has as many connections as it allows: who had one is without, and is refused a new one.
pub(super) async fn no_connection_taken(world: &World<'_>, held: Duration) -> Result<Effect> {
    let (broker, vhost) = (&world.ground.broker, world.stack.vhost());
    broker.rabbitmqctl(&["set_vhost_limits", "-p", vhost.name(), r#"{"max-connections": 0}"#]).await?;
    let refused = vhost.connect().await.is_err();
    let closed = vhost.close_connections().await;
    sleep(held).await;
    broker.rabbitmqctl(&["clear_vhost_limits", "-p", vhost.name()]).await?;
    ensure!(refused, "RabbitMQ took a connection above its limit");
    Ok(Effect::shown(closed? > 0))
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

/// What is in hand can't be committed, and RabbitMQ waits for its ack no longer: it ends the channel or the consumer,
/// which is seen on its way. A channel keeps the patience that it was opened with, so that all are made anew, before
/// and after.
pub(super) async fn ack_timeout(world: &World<'_>, held: Duration) -> Result<Effect> {
    waits_for_acks(world.ground, IMPATIENT).await?;
    let hop = world.hop(Hop::WorkerPostgres);
    let vhost = world.stack.vhost();
    // Where every worker stands still just now, nobody consumes: then there is nothing to time out.
    let _ = until("a worker to consume", BACK, || async {
        Ok((vhost.consumers(ROUTINE).await? > 0).then_some(()))
    })
    .await;
    hop.stall();
    let gives_up = Trigger::waits_for_acks_no_longer();
    let effect = seen::from_server(world.hop(Hop::WorkerBroker), gives_up, held).await;
    hop.pass();
    waits_for_acks(world.ground, USUAL).await?;
    Ok(effect)
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

pub(super) async fn ends_sessions(world: &World<'_>) -> Result<Effect> {
    let link = world.stack.database().connect().await?;
    let all = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    Ok(Effect::shown(link.count(all).await? > 0))
}

/// No table can grow: SQLSTATE 53100. The log of transactions lies elsewhere, so that PostgreSQL itself goes on.
pub(super) async fn disk_full(world: &World<'_>, held: Duration) -> Result<Effect> {
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
    Ok(Effect::Struck)
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
