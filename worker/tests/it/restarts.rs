//! RabbitMQ or PostgreSQL absent, restarted, killed, in alarm, or incomplete.

use anyhow::{Result, ensure};
use epro_proving::own::{Kind, Own};
use epro_proving::proxy::Mode;
use epro_proving::stack::Plan;
use epro_proving::{Client, Service, Stack, until};

use crate::load::{
    BROKER, Load, POSTGRES, accepted, all_stored, answers, before_broker, before_postgres, door, says_little,
    worker,
};
use crate::support::{BOUND, ROUTINE, STORED, counts, link};

/// RabbitMQ closes a channel that leaves a delivery unacked for half an hour. Here it is two seconds.
const IMPATIENT: &str = "application:set_env(rabbit, consumer_timeout, 2000), \
                         application:set_env(rabbit, channel_tick_interval, 500).";
/// Half an hour again, for channels from now on.
const PATIENT: &str = "application:set_env(rabbit, consumer_timeout, 1800000).";

/// Waits until `/readyz` says not ready, with these words.
async fn waits_for(process: &Service, words: &str) -> Result<()> {
    until(&format!("/readyz to say {words:?}"), BOUND, || async {
        let (status, body) = process.readyz().await?;
        Ok((status == 503 && body.contains(words)).then_some(()))
    })
    .await
    .map_err(|error| error.context(process.output()))
}

/// Liveness asks neither service: whoever is restarted for what it waits for only waits again.
async fn lives(client: &Client, process: &Service) -> Result<()> {
    let answer = client.at(&process.admin()).get_open("/livez").await?;
    ensure!(answer.status == 200, "{answer:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_rabbitmq_at_start_both_wait_say_so_and_work_once_it_is_there() -> Result<()> {
    let stack = Stack::new().await?;
    let (proxy, broker) = before_broker(&stack).await?;
    proxy.cut();
    let mut api = stack.spawn("epro-producer-api", &[(BROKER, &broker)])?;
    let mut worker = stack.spawn("epro-worker", &[(BROKER, &broker)])?;
    waits_for(&api, "no connection to the broker").await?;
    waits_for(&worker, "waiting for RabbitMQ").await?;
    let client = stack.client(&api)?;
    lives(&client, &api).await?;
    lives(&client, &worker).await?;
    let refused = client.submit("P-1", &answers(1)).await?;
    ensure!(refused.status == 503 && refused.header("retry-after").is_some(), "{refused:?}");
    proxy.pass();
    api.ready().await?;
    worker.ready().await?;
    accepted(&client, 8).await?;
    all_stored(&stack, &client).await?;
    says_little(&api)?;
    says_little(&worker)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_postgres_at_start_the_door_accepts_and_the_worker_waits_and_says_so() -> Result<()> {
    let stack = Stack::new().await?;
    let (proxy, postgres) = before_postgres(&stack).await?;
    proxy.cut();
    let api = door(&stack, &[(POSTGRES, &postgres)]).await?;
    let mut worker = stack.spawn("epro-worker", &[(POSTGRES, &postgres)])?;
    waits_for(&worker, "waiting for PostgreSQL").await?;
    let client = stack.client(&api)?;
    accepted(&client, 12).await?;
    waits_for(&worker, "waiting for PostgreSQL").await?;
    lives(&client, &api).await?;
    lives(&client, &worker).await?;
    proxy.pass();
    worker.ready().await?;
    all_stored(&stack, &client).await?;
    says_little(&worker)
}

/// A stack with both of ours under load, while `trouble` comes over their services.
async fn under_load(stack: &Stack, trouble: impl AsyncFnOnce(&Load) -> Result<()>) -> Result<()> {
    let mut api = stack.api().await?;
    let client = stack.client(&api)?;
    let mut worker = worker(stack, &[]).await?;
    let load = Load::start(&client, &api.url(), 6);
    load.goes_on(150).await?;
    trouble(&load).await?;
    load.goes_on(100).await?;
    api.ready().await?;
    worker.ready().await?;
    load.ends().await?;
    all_stored(stack, &client).await?;
    says_little(&api)?;
    says_little(&worker)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rabbitmq_restarted_and_killed_under_load_costs_nothing_that_was_answered_202() -> Result<()> {
    let rabbitmq = Own::start(Kind::Broker).await?;
    let stack = Stack::on(rabbitmq.services()?, Plan::default()).await?;
    under_load(&stack, async |load| {
        rabbitmq.stop().await?;
        rabbitmq.again().await?;
        load.goes_on(100).await?;
        rabbitmq.kill().await?;
        rabbitmq.again().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_restarted_and_killed_under_load_costs_nothing_and_the_door_stays_open() -> Result<()> {
    let postgres = Own::start(Kind::Postgres).await?;
    let stack = Stack::on(postgres.services()?, Plan::default()).await?;
    under_load(&stack, async |load| {
        postgres.stop().await?;
        load.goes_on(50).await?;
        postgres.again().await?;
        load.goes_on(100).await?;
        postgres.kill().await?;
        load.goes_on(50).await?;
        postgres.again().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_closed_by_the_broker_under_load_are_made_anew() -> Result<()> {
    let stack = Stack::new().await?;
    under_load(&stack, async |load| {
        for _ in 0..3 {
            // The management API learns of a connection within seconds.
            until("the broker to close connections", BOUND, || async {
                Ok((stack.vhost().close_connections().await? >= 3).then_some(()))
            })
            .await?;
            load.goes_on(50).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publishers_channel_closed_by_the_broker_under_load_is_made_anew() -> Result<()> {
    let stack = Stack::new().await?;
    under_load(&stack, async |_| {
        // Publishing to an exchange that isn't there ends the channel.
        stack.vhost().delete_exchange("epro.work").await?;
        stack.epro(&["topology", "apply"]).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumers_channel_closed_by_the_broker_under_load_is_made_anew() -> Result<()> {
    let rabbitmq = Own::start(Kind::Broker).await?;
    rabbitmq.rabbitmqctl(&["eval", IMPATIENT]).await?;
    let stack = Stack::on(rabbitmq.services()?, Plan::default()).await?;
    let (proxy, postgres) = before_postgres(&stack).await?;
    let api = stack.api().await?;
    let client = stack.client(&api)?;
    let mut worker = worker(&stack, &[(POSTGRES, &postgres)]).await?;
    let load = Load::start(&client, &api.url(), 6);
    load.goes_on(50).await?;
    // What is in hand can't be committed, and stays unacked for longer than the broker waits.
    proxy.set(Mode::Stall);
    until("what is in hand to lie in the queue again", BOUND, || async {
        Ok((stack.vhost().ready(ROUTINE).await? > 0).then_some(()))
    })
    .await?;
    load.goes_on(50).await?;
    proxy.pass();
    load.goes_on(100).await?;
    worker.ready().await?;
    load.ends().await?;
    // Whoever looks holds what it looks at unacked, on a busy machine for more than two seconds.
    rabbitmq.rabbitmqctl(&["eval", PATIENT]).await?;
    all_stored(&stack, &client).await?;
    says_little(&worker)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_intake_queue_closes_the_door_and_all_works_after_topology_apply() -> Result<()> {
    let stack = Stack::new().await?;
    let mut api = stack.api().await?;
    let mut worker = worker(&stack, &[]).await?;
    let client = stack.client(&api)?;
    accepted(&client, 6).await?;
    counts(&link(&stack).await, STORED, 6).await;
    stack.vhost().delete_queue(ROUTINE).await?;
    waits_for(&api, "run `epro topology apply`").await?;
    waits_for(&worker, "run `epro topology apply`").await?;
    let refused = client.submit("P-1", &answers(1)).await?;
    ensure!(refused.status == 503 && refused.header("retry-after").is_some(), "{refused:?}");
    // The others go on.
    ensure!(client.submit("P-1", &answers(4)).await?.status == 202);
    stack.epro(&["topology", "apply"]).await?;
    api.ready().await?;
    worker.ready().await?;
    accepted(&client, 6).await?;
    all_stored(&stack, &client).await?;
    says_little(&api)?;
    says_little(&worker)
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_memory_alarm_the_door_says_503_while_the_worker_goes_on_and_then_all_is_well() -> Result<()> {
    let rabbitmq = Own::start(Kind::Broker).await?;
    let stack = Stack::on(rabbitmq.services()?, Plan::default()).await?;
    let mut api = stack.api().await?;
    let client = stack.client(&api)?;
    accepted(&client, 40).await?;
    rabbitmq.rabbitmqctl(&["set_vm_memory_high_watermark", "0.00001"]).await?;
    // The broker tells a publisher only once it publishes.
    let refused = client.submit("P-1", &answers(1)).await?;
    ensure!(refused.status == 503 && refused.header("retry-after").is_some(), "{refused:?}");
    waits_for(&api, "alarm").await?;
    let mut worker = worker(&stack, &[]).await?;
    counts(&link(&stack).await, STORED, 40).await;
    let refused = client.submit("P-1", &answers(2)).await?;
    ensure!(refused.status == 503, "{refused:?}");
    rabbitmq.rabbitmqctl(&["set_vm_memory_high_watermark", "0.4"]).await?;
    api.ready().await?;
    worker.ready().await?;
    accepted(&client, 10).await?;
    all_stored(&stack, &client).await?;
    says_little(&api)?;
    says_little(&worker)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_before_its_migration_says_what_postgres_says_and_works_after_it() -> Result<()> {
    let stack = Stack::with(Plan { without_migration: true, ..Plan::default() }).await?;
    let api = stack.api().await?;
    let client = stack.client(&api)?;
    accepted(&client, 4).await?;
    let mut worker = stack.spawn("epro-worker", &[])?;
    // No schema of that name: undefined_table.
    waits_for(&worker, "42P01").await?;
    stack.epro(&["migrate"]).await?;
    worker.ready().await?;
    all_stored(&stack, &client).await?;
    says_little(&worker)
}
