//! SIGTERM: finish, commit, ack, give back the rest, leave with 0.

use anyhow::{Result, ensure};
use epro_proving::proxy::{Side, Then, Trigger};
use epro_proving::{Service, Stack, until};

use crate::load::{BROKER, Load, POSTGRES, accepted, all_stored, before_broker, before_postgres, worker};
use crate::support::{BOUND, ROUTINE, empty, link};

/// `basic.cancel`, the first word of a consumer that leaves: class 60, method 30.
const CANCEL: [u8; 4] = [0, 60, 0, 30];

/// Leaves in order: exit code 0, with a word, and within a bound that only a hang exceeds.
async fn leaves(worker: &mut Service) -> Result<()> {
    let code = worker.drain(BOUND).await?;
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
    ensure!(leaving.drain(BOUND).await? == 0, "{}", leaving.output());
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
    let code = leaving.ended(BOUND).await?;
    ensure!(code == 0, "left with {code}:\n{}", leaving.output());
    proxy.cut();
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
