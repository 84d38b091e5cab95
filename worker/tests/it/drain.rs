//! SIGTERM: finish, commit, ack, give back the rest, leave with 0.

use anyhow::{Result, ensure};
use epro_proving::database::Link;
use epro_proving::proxy::{Mode, Side, Then, Trigger};
use epro_proving::scaling::fleet;
use epro_proving::{Hand, Service, Stack, until};
use serde_json::json;

use crate::load::{
    BROKER, Load, POSTGRES, SLOW, accepted, all_stored, before_broker, before_postgres, worker,
};
use crate::support::{BOUND, LEAVES, ROUTINE, STORED, empty, link, many, says, with};

/// `basic.cancel`, the first word of a consumer that leaves: class 60, method 30.
const CANCEL: [u8; 4] = [0, 60, 0, 30];

/// Leaves in order: exit code 0, with a word, and within its time.
async fn leaves(worker: &mut Service) -> Result<()> {
    let code = worker.drain(LEAVES).await?;
    ensure!(code == 0, "left with {code}:\n{}", worker.output());
    ensure!(worker.output().contains("has left in order"), "{}", worker.output());
    Ok(())
}

/// What was committed twice because its ack was lost.
async fn came_again(stack: &Stack) -> Result<i64> {
    link(stack).await.count("SELECT count(*) FROM audit.event WHERE outcome = 'same_delivery'").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_told_to_leave_under_load_acks_all_that_it_committed() -> Result<()> {
    let stack = Stack::new().await?;
    let api = stack.api().await?;
    let client = stack.client(&api)?;
    let load = Load::start(&client, &api.url(), 6);
    // Some are waiting, so that it leaves with full hands.
    load.goes_on(200).await?;
    for _ in 0..3 {
        let mut leaving = worker(&stack, &[]).await?;
        load.goes_on(50).await?;
        leaves(&mut leaving).await?;
        load.goes_on(50).await?;
    }
    let _last = worker(&stack, &[]).await?;
    load.ends().await?;
    all_stored(&stack, &client).await?;
    ensure!(came_again(&stack).await? == 0, "a delivery was committed and not acked");
    let suspects = link(&stack).await.count("SELECT count(*) FROM ops.suspect").await?;
    ensure!(suspects == 0, "{suspects} starts are still counted");
    Ok(())
}

/// A worker that holds no more than this many of a queue.
const PREFETCH: usize = 256;

/// A stack whose workers have small hands, so that they leave a backlog to others.
async fn with_small_hands() -> Stack {
    with(json!({"worker": {"lanes": ["submissions"], "chunk": 4, "prefetch": PREFETCH}})).await
}

/// Puts that many into the queue that workers take from.
async fn backlog(stack: &Stack, count: usize) -> Result<Hand> {
    let hand = Hand::on(stack).await?;
    hand.put_all(ROUTINE, "P-1", &many(count)).await?;
    Ok(hand)
}

/// Waits until so many more rows are there.
async fn stores(link: &Link, more: i64) -> Result<()> {
    let goal = link.count(STORED).await? + more;
    until("rows", BOUND, || async { Ok((link.count(STORED).await? >= goal).then_some(())) }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_told_to_leave_finishes_what_it_was_handed() -> Result<()> {
    let stack = with_small_hands().await;
    let hand = backlog(&stack, 8000).await?;
    let link = link(&stack).await;
    for _ in 0..3 {
        let mut leaving = worker(&stack, &[]).await?;
        stores(&link, 100).await?;
        leaves(&mut leaving).await?;
        ensure!(!leaving.output().contains("gave back"), "{}", leaving.output());
    }
    let stored = usize::try_from(link.count(STORED).await?)?;
    let (left, again) = hand.count_out(ROUTINE).await?;
    ensure!(stored + left == 8000, "{stored} stored and {left} left");
    ensure!(left > 1000, "there has to be a backlog, not {left}");
    ensure!(again == 0, "{again} of those that are left had been handed out before");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_comes_again_of_workers_that_are_replaced_while_patients_send() -> Result<()> {
    let stack = Stack::new().await?;
    let api = stack.api().await?;
    let client = stack.client(&api)?;
    let mut present = worker(&stack, &[]).await?;
    let load = Load::start(&client, &api.url(), 4);
    for _ in 0..5 {
        load.goes_on(20).await?;
        // As a rollout does: the next one is ready before the last one is told.
        let next = worker(&stack, &[]).await?;
        load.goes_on(20).await?;
        leaves(&mut present).await?;
        ensure!(!present.output().contains("gave back"), "{}", present.output());
        present = next;
    }
    load.ends().await?;
    all_stored(&stack, &client).await?;
    let again = fleet::counted(&stack).await?.again;
    ensure!(again == 0, "{again} came again");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_worker_that_is_killed_at_most_the_prefetch_comes_again() -> Result<()> {
    let stack = with_small_hands().await;
    let hand = backlog(&stack, 4000).await?;
    let link = link(&stack).await;
    let mut killed = worker(&stack, &[]).await?;
    stores(&link, 100).await?;
    killed.kill().await?;
    // The broker takes back what it held once it sees the connection closed.
    until("the consumer to be gone", BOUND, || async {
        Ok((stack.vhost().consumers(ROUTINE).await? == 0).then_some(()))
    })
    .await?;
    let stored = usize::try_from(link.count(STORED).await?)?;
    let (left, again) = hand.count_out(ROUTINE).await?;
    ensure!((4000..=4000 + PREFETCH).contains(&(stored + left)), "{stored} stored and {left} left");
    ensure!((1..=PREFETCH).contains(&again), "{again} came again of a prefetch of {PREFETCH}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_worker_starts_nothing_more_and_gives_back_what_it_was_handed() -> Result<()> {
    let stack = with_small_hands().await;
    let hand = backlog(&stack, 10_000).await?;
    let link = link(&stack).await;
    let paused = worker(&stack, &[]).await?;
    stores(&link, 100).await?;
    stack.epro(&["pause", "submissions.routine", "--reason", "a look first"]).await?;
    says(&paused, "gave back what was not started").await;
    let stored = usize::try_from(link.count(STORED).await?)?;
    let (left, again) = hand.count_out(ROUTINE).await?;
    ensure!(stored + left == 10_000, "{stored} stored and {left} left");
    ensure!(again <= PREFETCH, "{again} came again of a prefetch of {PREFETCH}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_told_to_leave_under_load_answers_what_it_has_begun() -> Result<()> {
    let stack = Stack::new().await?;
    let mut leaving = stack.api().await?;
    let next = stack.api().await?;
    let client = stack.client(&leaving)?;
    let _worker = worker(&stack, &[]).await?;
    let load = Load::start(&client, &leaving.url(), 6);
    load.goes_on(100).await?;
    load.turns_to(&next);
    ensure!(leaving.drain(LEAVES).await? == 0, "{}", leaving.output());
    load.goes_on(100).await?;
    load.ends().await?;
    let account = all_stored(&stack, &client).await?;
    ensure!(account.unknown == 0 && account.duplicates == 0, "somebody got no answer: {account:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_does_not_wait_for_a_postgres_that_is_away() -> Result<()> {
    let stack = Stack::new().await?;
    let (proxy, postgres) = before_postgres(&stack).await?;
    let api = stack.api().await?;
    let client = stack.client(&api)?;
    let mut leaving = worker(&stack, &[(POSTGRES, &postgres)]).await?;
    let load = Load::start(&client, &api.url(), 4);
    load.goes_on(50).await?;
    proxy.cut();
    load.goes_on(50).await?;
    leaves(&mut leaving).await?;
    load.ends().await?;
    let _next = worker(&stack, &[]).await?;
    all_stored(&stack, &client).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_does_not_wait_for_a_postgres_that_is_silent() -> Result<()> {
    let stack = Stack::new().await?;
    let (proxy, postgres) = before_postgres(&stack).await?;
    let api = stack.api().await?;
    let client = stack.client(&api)?;
    let mut leaving = worker(&stack, &[(POSTGRES, &postgres), ("EPRO__WORKER__DRAIN", "3s")]).await?;
    let trip = proxy.arm(Side::Client, Trigger::commit_sent(), Then::StallBefore);
    accepted(&client, 8).await?;
    trip.tripped().await?;
    leaves(&mut leaving).await?;
    let _next = worker(&stack, &[]).await?;
    all_stored(&stack, &client).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_cut_in_the_middle_of_a_drain_loses_nothing() -> Result<()> {
    survives_a_drain_with(Then::CutBefore).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_silent_in_the_middle_of_a_drain_loses_nothing() -> Result<()> {
    survives_a_drain_with(Then::StallBefore).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_slow_in_the_middle_of_a_drain_loses_nothing() -> Result<()> {
    survives_a_drain_with(SLOW).await
}

/// The broker goes at the first word of the farewell.
async fn survives_a_drain_with(then: Then) -> Result<()> {
    let stack = Stack::new().await?;
    let (proxy, broker) = before_broker(&stack).await?;
    let api = stack.api().await?;
    let client = stack.client(&api)?;
    let mut leaving = worker(&stack, &[(BROKER, &broker)]).await?;
    let load = Load::start(&client, &api.url(), 6);
    load.goes_on(100).await?;
    let trip = proxy.arm(Side::Client, Trigger::Pattern(CANCEL.to_vec()), then);
    leaving.term().await?;
    trip.tripped().await?;
    let code = leaving.ended(LEAVES).await?;
    ensure!(code == 0, "left with {code}:\n{}", leaving.output());
    proxy.cut();
    let _next = worker(&stack, &[]).await?;
    load.goes_on(20).await?;
    load.ends().await?;
    all_stored(&stack, &client).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_cut_in_the_middle_of_a_drain_loses_nothing() -> Result<()> {
    survives_a_drain_without_postgres(Mode::Cut).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_silent_in_the_middle_of_a_drain_loses_nothing() -> Result<()> {
    survives_a_drain_without_postgres(Mode::Stall).await
}

/// PostgreSQL goes while the broker has yet to hear the first word of the farewell.
async fn survives_a_drain_without_postgres(how: Mode) -> Result<()> {
    let stack = Stack::new().await?;
    let ((rabbitmq, broker), (database, postgres)) =
        (before_broker(&stack).await?, before_postgres(&stack).await?);
    let api = stack.api().await?;
    let client = stack.client(&api)?;
    let soon = ("EPRO__WORKER__DRAIN", "3s");
    let mut leaving = worker(&stack, &[(BROKER, &broker), (POSTGRES, &postgres), soon]).await?;
    let load = Load::start(&client, &api.url(), 6);
    load.goes_on(100).await?;
    let trip = rabbitmq.arm(Side::Client, Trigger::Pattern(CANCEL.to_vec()), Then::StallBefore);
    leaving.term().await?;
    trip.tripped().await?;
    database.set(how);
    rabbitmq.pass();
    let code = leaving.ended(LEAVES).await?;
    ensure!(code == 0, "left with {code}:\n{}", leaving.output());
    // Whatever is still on its way is lost, and its locks with it.
    database.cut();
    let _next = worker(&stack, &[]).await?;
    load.goes_on(20).await?;
    load.ends().await?;
    all_stored(&stack, &client).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_never_found_its_services_leaves_when_told() -> Result<()> {
    let stack = Stack::new().await?;
    let api = stack.api().await?;
    let client = stack.client(&api)?;
    accepted(&client, 4).await?;
    let ((broker, to_broker), (postgres, to_postgres)) =
        (before_broker(&stack).await?, before_postgres(&stack).await?);
    for (cut, then) in [(&broker, &postgres), (&postgres, &broker)] {
        cut.cut();
        then.pass();
        let mut lost = stack.spawn("epro-worker", &[(BROKER, &to_broker), (POSTGRES, &to_postgres)])?;
        until("it to say what it waits for", BOUND, || async {
            Ok(lost.readyz().await?.1.contains("waiting for").then_some(()))
        })
        .await?;
        leaves(&mut lost).await?;
    }
    let _worker = worker(&stack, &[]).await?;
    empty(&stack, ROUTINE).await;
    all_stored(&stack, &client).await?;
    Ok(())
}
