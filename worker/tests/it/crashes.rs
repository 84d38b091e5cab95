//! Processes that end without a word: nothing accepted is lost, nothing is stored twice.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use epro_proving::scaling::fleet;
use epro_proving::{Hand, Service, Stack, conservation, until};
use serde_json::json;

use crate::load::{BROKER, Load, accepted, all_stored, answers, door, worker};
use crate::support::{ALERTS, BOUND, LEAVES, ROUTINE, STORED, link, many, with};

/// What a shell says of a process that called abort: 128 + SIGABRT.
const ABORTED: i32 = 134;

/// No relay, which would publish what a worker didn't.
const LANES: (&str, &str) = ("EPRO__WORKER__LANES", "[submissions]");

/// How far a worker comes with what it has in hand before it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comes {
    BeforeCommit,
    BeyondCommit,
    BeyondFollowOns,
}

/// A worker that aborts at `seam`, then a sound one: did the first one come as far as it says, and what is lost or
/// doubled in between?
async fn survives_an_abort_at(seam: &str, comes: Comes) -> Result<()> {
    let stack = Stack::new().await?;
    let api = stack.api().await?;
    let client = stack.client(&api)?;
    accepted(&client, 12).await?;
    let fault = format!("{seam}=abort");
    let mut broken = stack.spawn("epro-worker", &[("EPRO_FAULT", &fault), LANES])?;
    ensure!(broken.ended(BOUND).await? == ABORTED, "it should have aborted at {seam}");
    let link = link(&stack).await;
    let (stored, followed) = (link.count(STORED).await?, follow_ons(&stack).await?);
    ensure!((stored > 0) == (comes != Comes::BeforeCommit), "{stored} stored, {comes:?}");
    ensure!((followed > 0) == (comes == Comes::BeyondFollowOns), "{followed} follow-ons, {comes:?}");
    let _sound = worker(&stack, &[LANES]).await?;
    let account = all_stored(&stack, &client).await?;
    ensure!(account.stored == 12, "{account:?}");
    let again = link.count("SELECT count(*) FROM audit.event WHERE outcome = 'same_delivery'").await?;
    ensure!((again > 0) == (comes != Comes::BeforeCommit), "{again} came again and were there, {comes:?}");
    Ok(())
}

/// How many follow-ons lie in their queues.
async fn follow_ons(stack: &Stack) -> Result<u32> {
    let mut lying = 0;
    for queue in stack.vhost().queues().await? {
        if queue == ALERTS || queue.starts_with("epro.his.") {
            lying += stack.vhost().ready(&queue).await?;
        }
    }
    Ok(lying)
}

#[tokio::test]
async fn an_abort_before_anything_was_read_leaves_the_messages_to_the_next_worker() -> Result<()> {
    survives_an_abort_at("received", Comes::BeforeCommit).await
}

#[tokio::test]
async fn an_abort_before_anything_was_done_leaves_the_messages_to_the_next_worker() -> Result<()> {
    survives_an_abort_at("process", Comes::BeforeCommit).await
}

#[tokio::test]
async fn an_abort_before_commit_leaves_the_messages_to_the_next_worker() -> Result<()> {
    survives_an_abort_at("beforecommit", Comes::BeforeCommit).await
}

#[tokio::test]
async fn an_abort_between_commit_and_follow_ons_publishes_them_when_the_message_comes_again() -> Result<()> {
    survives_an_abort_at("aftercommit", Comes::BeyondCommit).await
}

#[tokio::test]
async fn an_abort_between_follow_ons_and_ack_stores_once() -> Result<()> {
    survives_an_abort_at("beforeack", Comes::BeyondFollowOns).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_that_aborts_between_confirm_and_reply_is_asked_again_and_it_is_stored_once() -> Result<()> {
    let stack = Stack::new().await?;
    let submission = answers(1);
    let id = submission["submission_id"].as_str().context("an id")?;
    let fault = format!("confirmed:{id}=abort");
    let mut broken = door(&stack, &[("EPRO_FAULT", &fault)]).await?;
    let client = stack.client(&broken)?;
    let unknown = client.submit("P-1", &submission).await;
    ensure!(unknown.is_err(), "it should have got no answer: {unknown:?}");
    ensure!(broken.ended(BOUND).await? == ABORTED, "{}", broken.output());
    let next = stack.api().await?;
    ensure!(client.at(&next.url()).submit("P-1", &submission).await?.status == 202);
    let _worker = worker(&stack, &[]).await?;
    let account = all_stored(&stack, &client).await?;
    ensure!(account.stored == 1, "{account:?}");
    let again = "SELECT count(*) FROM audit.event WHERE outcome = 'sent_again'";
    ensure!(link(&stack).await.count(again).await? == 1, "the broker had the first one already");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_in_the_middle_of_a_drain_loses_nothing() -> Result<()> {
    // Small hands, so that they are full.
    let stack = with(json!({"worker": {"lanes": ["submissions"], "chunk": 4, "prefetch": 256}})).await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await?);
    hand.put_all(ROUTINE, "P-1", &many(2000)).await?;
    let mut leaving = worker(&stack, &[("EPRO_FAULT", "drain=abort")]).await?;
    until("some to be stored", BOUND, || async { Ok((link.count(STORED).await? > 0).then_some(())) }).await?;
    ensure!(leaving.drain(BOUND).await? == ABORTED);
    let stored = link.count(STORED).await?;
    ensure!(stored < 2000, "there has to be a backlog when it leaves");
    let _next = worker(&stack, &[]).await?;
    let account = conservation(&stack, &hand.log()).await?;
    ensure!((account.stored, account.dead) == (2000, 0), "{account:?}");
    let again = fleet::counted(&stack).await?.again;
    ensure!(again > 0, "it had nothing in hand");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_of_a_worker_under_load_loses_nothing_and_stores_nothing_twice() -> Result<()> {
    let stack = Stack::new().await?;
    let api = stack.api().await?;
    let client = stack.client(&api)?;
    let mut first = worker(&stack, &[]).await?;
    let load = Load::start(&client, &api.url(), 6);
    load.goes_on(100).await?;
    first.kill().await?;
    load.goes_on(100).await?;
    let mut second = worker(&stack, &[]).await?;
    load.goes_on(100).await?;
    second.kill().await?;
    let _third = worker(&stack, &[]).await?;
    load.goes_on(100).await?;
    load.ends().await?;
    all_stored(&stack, &client).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_of_one_of_two_workers_under_load_leaves_all_its_work_to_the_other() -> Result<()> {
    let stack = Stack::new().await?;
    let api = stack.api().await?;
    let client = stack.client(&api)?;
    let (mut one, other) = (worker(&stack, &[]).await?, worker(&stack, &[]).await?);
    let load = Load::start(&client, &api.url(), 6);
    load.goes_on(150).await?;
    one.kill().await?;
    load.goes_on(150).await?;
    load.ends().await?;
    all_stored(&stack, &client).await?;
    ensure!(!other.output().contains("panic"), "{}", other.output());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_of_the_api_under_load_loses_nothing_that_was_answered_202() -> Result<()> {
    let stack = Stack::new().await?;
    let mut first = stack.api().await?;
    let client = stack.client(&first)?;
    let _worker = worker(&stack, &[]).await?;
    let load = Load::start(&client, &first.url(), 6);
    for _ in 0..2 {
        load.goes_on(100).await?;
        first.kill().await?;
        first = stack.api().await?;
        load.turns_to(&first);
    }
    load.goes_on(100).await?;
    load.ends().await?;
    all_stored(&stack, &client).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_side_by_side_store_each_submission_once() -> Result<()> {
    let stack = Stack::new().await?;
    let api = stack.api().await?;
    let client = stack.client(&api)?;
    let load = Load::start(&client, &api.url(), 6);
    load.goes_on(100).await?;
    let _both = (worker(&stack, &[]).await?, worker(&stack, &[]).await?);
    load.goes_on(300).await?;
    load.ends().await?;
    let account = all_stored(&stack, &client).await?;
    ensure!(account.duplicates == 0, "nobody sent anything twice: {account:?}");
    let link = link(&stack).await;
    let writers = link
        .count("SELECT count(DISTINCT writer) FROM audit.event WHERE action = 'submission.stored'")
        .await?;
    ensure!(writers > 1, "only one of them worked");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stood_still_until_the_broker_gave_its_work_away_does_no_harm() -> Result<()> {
    let stack = Stack::new().await?;
    let api = stack.api().await?;
    let client = stack.client(&api)?;
    // The broker gives up on a silent peer after twice this many seconds.
    let impatient = format!("{}?heartbeat=1", stack.vhost().url());
    let mut still = worker(&stack, &[(BROKER, &impatient)]).await?;
    let load = Load::start(&client, &api.url(), 6);
    load.goes_on(100).await?;
    still.stop().await?;
    load.goes_on(50).await?;
    let _other = worker(&stack, &[]).await?;
    gone(&stack, &still).await?;
    load.goes_on(50).await?;
    still.resume().await?;
    still.ready().await?;
    load.goes_on(100).await?;
    load.ends().await?;
    all_stored(&stack, &client).await?;
    ensure!(still.drain(LEAVES).await? == 0, "{}", still.output());
    Ok(())
}

/// Waits until the broker has closed what the process that stands still consumed with.
async fn gone(stack: &Stack, still: &Service) -> Result<()> {
    let path = format!("/api/queues/{}/{ROUTINE}", stack.vhost().name());
    until("the broker to give up on the silent worker", Duration::from_secs(30), || async {
        let queue = stack.vhost().management().get(&path).await?;
        // That of the other worker is left.
        Ok((queue["consumer_details"].as_array().is_some_and(|all| all.len() == 1)).then_some(()))
    })
    .await
    .map_err(|error| error.context(still.output()))
}
