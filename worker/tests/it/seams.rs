//! RabbitMQ or PostgreSQL cut, stalled or slowed at each seam of a submission's route.

use std::time::Duration;

use anyhow::{Result, ensure};
use epro_proving::proxy::{Mode, Side, Then, Trigger};
use epro_proving::services::host_port;
use epro_proving::{Client, Proxy, Stack};

use crate::load::{
    BROKER, Load, POSTGRES, SLOW, accepted, all_stored, answers, before_broker, before_postgres, door,
    says_little, worker,
};
use crate::support::{STORED, counts, link, many};

/// One submission through an API whose way to the broker fails: told 503, sent again, told 202.
async fn told_503_then_202(side: Side, trigger: Trigger, then: Then) -> Result<(Stack, Client)> {
    let stack = Stack::new().await?;
    let (proxy, broker) = before_broker(&stack).await?;
    let mut api = door(&stack, &[(BROKER, &broker)]).await?;
    let client = stack.client(&api)?;
    let _worker = worker(&stack, &[]).await?;
    let submission = answers(1);
    let trip = proxy.arm(side, trigger, then);
    let refused = client.submit("P-1", &submission).await?;
    trip.tripped().await?;
    ensure!(refused.status == 503, "told {}: {}", refused.status, refused.body);
    ensure!(refused.header("retry-after").is_some(), "{refused:?}");
    // Whether it saw the cut or still waits for a silent broker: it must find its way back by itself.
    proxy.cut_once();
    let load = Load::start(&client, &api.url(), 1);
    load.goes_on(2).await?;
    load.ends().await?;
    api.ready().await?;
    let accepted = client.submit("P-1", &submission).await?;
    ensure!(accepted.status == 202, "told {}: {}", accepted.status, accepted.body);
    let account = all_stored(&stack, &client).await?;
    ensure!(account.stored == account.accepted, "{account:?}");
    says_little(&api)?;
    Ok((stack, client))
}

/// How often the audit trail says that what is stored came another time.
async fn copies(stack: &Stack, outcome: &str) -> Result<i64> {
    let sql = format!("SELECT count(*) FROM audit.event WHERE outcome = '{outcome}'");
    link(stack).await.count(&sql).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_cut_before_the_message_arrives_is_a_503_and_the_retry_is_stored() -> Result<()> {
    let (stack, _) = told_503_then_202(Side::Client, Trigger::publish(), Then::CutBefore).await?;
    ensure!(copies(&stack, "sent_again").await? == 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_cut_before_its_confirm_is_a_503_and_the_retry_is_stored_once() -> Result<()> {
    let (stack, _) = told_503_then_202(Side::Server, Trigger::ack(), Then::CutBefore).await?;
    ensure!(copies(&stack, "sent_again").await? == 1, "the first try had arrived");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_silent_before_its_confirm_is_a_503_and_the_retry_is_stored_once() -> Result<()> {
    let (stack, _) = told_503_then_202(Side::Server, Trigger::ack(), Then::StallBefore).await?;
    ensure!(copies(&stack, "sent_again").await? == 1, "the first try had arrived");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_slow_with_its_confirm_is_waited_for_and_it_is_stored_once() -> Result<()> {
    let stack = Stack::new().await?;
    let (proxy, broker) = before_broker(&stack).await?;
    let api = door(&stack, &[(BROKER, &broker)]).await?;
    let client = stack.client(&api)?;
    let _worker = worker(&stack, &[]).await?;
    // The frame comes in several parts.
    let trip = proxy.arm(Side::Server, Trigger::ack(), Then::SlowBefore(100));
    let reply = client.submit("P-1", &answers(1)).await?;
    trip.tripped().await?;
    ensure!(reply.status == 202, "told {}: {}", reply.status, reply.body);
    proxy.pass();
    let account = all_stored(&stack, &client).await?;
    ensure!(account.stored == 1, "{account:?}");
    ensure!(copies(&stack, "sent_again").await? == 0);
    says_little(&api)
}

/// A submission whose 202 has begun to leave the door when `then` happens: its patient gives up on it, or not.
async fn confirmed_and_answered(then: Then, gives_up: bool) -> Result<()> {
    let stack = Stack::new().await?;
    let api = stack.api().await?;
    let _worker = worker(&stack, &[]).await?;
    let client = stack.client(&api)?;
    let proxy = Proxy::to(&host_port(&api.url())?).await?;
    let trip = proxy.arm(Side::Server, Trigger::Pattern(b"HTTP/1.1 202".to_vec()), then);
    let submission = answers(1);
    let patient = client.giving_up_after(Duration::from_secs(5))?.at(&format!("http://{}", proxy.address()));
    let told = patient.submit("P-1", &submission).await;
    trip.tripped().await?;
    if gives_up {
        ensure!(told.is_err(), "it should have got no answer: {told:?}");
        ensure!(client.submit("P-1", &submission).await?.status == 202);
    } else {
        ensure!(told?.status == 202);
    }
    let account = all_stored(&stack, &client).await?;
    ensure!(account.stored == 1, "{account:?}");
    let again = copies(&stack, "sent_again").await?;
    ensure!(again == i64::from(gives_up), "the first try had been accepted: {again}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmed_submission_whose_answer_is_lost_is_sent_again_and_stored_once() -> Result<()> {
    confirmed_and_answered(Then::CutBefore, true).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmed_submission_whose_answer_never_comes_is_sent_again_and_stored_once() -> Result<()> {
    confirmed_and_answered(Then::StallBefore, true).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmed_submission_whose_answer_is_slow_is_not_sent_again() -> Result<()> {
    confirmed_and_answered(Then::SlowBefore(1000), false).await
}

/// Twelve submissions while the worker's way to PostgreSQL fails once, then passes again.
async fn survives_in_postgres(side: Side, trigger: Trigger, then: Then) -> Result<Stack> {
    let stack = Stack::new().await?;
    let (proxy, postgres) = before_postgres(&stack).await?;
    let api = stack.api().await?;
    let client = stack.client(&api)?;
    let mut worker = worker(&stack, &[(POSTGRES, &postgres)]).await?;
    let trip = proxy.arm(side, trigger, then);
    accepted(&client, 12).await?;
    trip.tripped().await?;
    // A slow one stays slow, and they are stored all the same.
    if then != SLOW {
        proxy.pass();
    }
    let account = all_stored(&stack, &client).await?;
    ensure!(account.stored == 12, "{account:?}");
    worker.ready().await?;
    says_little(&worker)?;
    Ok(stack)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_cut_before_commit_gets_the_chunk_again() -> Result<()> {
    let stack = survives_in_postgres(Side::Client, Trigger::commit_sent(), Then::CutBefore).await?;
    ensure!(copies(&stack, "same_delivery").await? == 0, "what was not committed is not there");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_cut_between_commit_and_its_answer_is_asked_again_and_has_it() -> Result<()> {
    let stack = survives_in_postgres(Side::Server, Trigger::commit_done(), Then::CutBefore).await?;
    ensure!(copies(&stack, "same_delivery").await? > 0, "it was committed when nobody was told so");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_that_stalls_before_commit_and_comes_back_has_lost_nothing() -> Result<()> {
    survives_in_postgres(Side::Client, Trigger::commit_sent(), Then::StallBefore).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_that_stalls_before_its_answer_and_comes_back_has_lost_nothing() -> Result<()> {
    survives_in_postgres(Side::Server, Trigger::commit_done(), Then::StallBefore).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_slow_from_commit_on_has_lost_nothing() -> Result<()> {
    survives_in_postgres(Side::Client, Trigger::commit_sent(), SLOW).await?;
    Ok(())
}

/// Sends so many that alert nobody, and requires a 202 for each.
async fn accepted_calm(client: &Client, count: usize) -> Result<()> {
    for submission in many(count) {
        let reply = client.submit("P-1", &submission).await?;
        ensure!(reply.status == 202, "told {}: {}", reply.status, reply.body);
    }
    Ok(())
}

/// Twelve submissions of which one statement commits those that come together: nothing in them alerts, and the
/// worker has written before.
async fn survives_at_once(side: Side, trigger: Trigger, then: Then) -> Result<Stack> {
    let stack = Stack::new().await?;
    let (proxy, postgres) = before_postgres(&stack).await?;
    let api = stack.api().await?;
    let client = stack.client(&api)?;
    let worker = worker(&stack, &[(POSTGRES, &postgres)]).await?;
    accepted_calm(&client, 1).await?;
    counts(&link(&stack).await, STORED, 1).await;
    let trip = proxy.arm(side, trigger, then);
    accepted_calm(&client, 12).await?;
    trip.tripped().await?;
    if then != SLOW {
        proxy.pass();
    }
    let account = all_stored(&stack, &client).await?;
    ensure!(account.stored == 13, "{account:?}");
    says_little(&worker)?;
    Ok(stack)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_for_a_whole_chunk_that_never_arrives_is_made_up_for() -> Result<()> {
    let stack = survives_at_once(Side::Client, Trigger::chunk_sent(), Then::CutBefore).await?;
    ensure!(copies(&stack, "same_delivery").await? == 0, "what was not committed is not there");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_for_a_whole_chunk_whose_answer_is_lost_is_asked_again_and_has_it() -> Result<()> {
    let stack = survives_at_once(Side::Server, Trigger::chunk_done(), Then::CutBefore).await?;
    ensure!(copies(&stack, "same_delivery").await? > 0, "it was committed when nobody was told so");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_for_a_whole_chunk_whose_answer_is_slow_has_lost_nothing() -> Result<()> {
    survives_at_once(Side::Server, Trigger::chunk_done(), SLOW).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_silent_for_longer_than_anybody_waits_is_found_again() -> Result<()> {
    let stack = Stack::new().await?;
    let (proxy, postgres) = before_postgres(&stack).await?;
    let api = stack.api().await?;
    let client = stack.client(&api)?;
    let mut worker = worker(&stack, &[(POSTGRES, &postgres)]).await?;
    let trip = proxy.arm(Side::Server, Trigger::commit_done(), Then::StallBefore);
    let load = Load::start(&client, &api.url(), 2);
    trip.tripped().await?;
    crate::support::says(&worker, "no answer in time").await;
    proxy.pass();
    load.goes_on(20).await?;
    load.ends().await?;
    all_stored(&stack, &client).await?;
    worker.ready().await?;
    says_little(&worker)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_whose_answer_is_lost_again_and_again_is_counted_once() -> Result<()> {
    let stack = Stack::new().await?;
    let (proxy, postgres) = before_postgres(&stack).await?;
    let api = stack.api().await?;
    let client = stack.client(&api)?;
    // Handed out to one that crashes: the next one is careful with it.
    ensure!(client.submit("P-1", &answers(1)).await?.status == 202);
    let mut crashing = stack.spawn("epro-worker", &[("EPRO_FAULT", "process=abort")])?;
    crashing.ended(crate::support::BOUND).await?;
    let lost = || proxy.arm(Side::Server, Trigger::Pattern(b"INSERT 0 1\0Z".to_vec()), Then::CutBefore);
    let mut trip = lost();
    // Without the relay, whose lease is an INSERT too.
    let lanes = ("EPRO__WORKER__LANES", "[submissions]");
    let worker = stack.spawn("epro-worker", &[(POSTGRES, &postgres), lanes])?;
    for _ in 0..3 {
        trip.tripped().await?;
        trip = lost();
        proxy.pass();
    }
    trip.tripped().await?;
    proxy.pass();
    let account = all_stored(&stack, &client).await?;
    ensure!(account.stored == 1, "{account:?}");
    says_little(&worker)
}

/// Twelve submissions while the worker's way to RabbitMQ fails once, then passes again.
async fn survives_in_rabbitmq(side: Side, trigger: Trigger, then: Then) -> Result<Stack> {
    let stack = Stack::new().await?;
    let (proxy, broker) = before_broker(&stack).await?;
    let broker = format!("{broker}?heartbeat=2");
    let api = stack.api().await?;
    let client = stack.client(&api)?;
    let mut worker = worker(&stack, &[(BROKER, &broker)]).await?;
    let trip = proxy.arm(side, trigger, then);
    accepted(&client, 12).await?;
    trip.tripped().await?;
    if then == Then::StallBefore {
        // Nothing comes through until it has noticed by itself.
        worker.ready_is(false, crate::support::BOUND).await?;
    }
    // A slow one stays slow, and they are stored all the same.
    if then != SLOW {
        proxy.cut_once();
    }
    worker.ready().await?;
    let account = all_stored(&stack, &client).await?;
    ensure!(account.stored == 12, "{account:?}");
    accepted(&client, 4).await?;
    all_stored(&stack, &client).await?;
    says_little(&worker)?;
    Ok(stack)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_cut_between_commit_and_ack_hands_it_out_again_and_it_is_there() -> Result<()> {
    let stack = survives_in_rabbitmq(Side::Client, Trigger::ack(), Then::CutBefore).await?;
    ensure!(copies(&stack, "same_delivery").await? > 0, "it was committed when its ack was lost");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_silent_between_commit_and_ack_hands_it_out_again_and_it_is_there() -> Result<()> {
    let stack = survives_in_rabbitmq(Side::Client, Trigger::ack(), Then::StallBefore).await?;
    ensure!(copies(&stack, "same_delivery").await? > 0, "it was committed when its ack was lost");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_slow_between_commit_and_ack_has_lost_nothing() -> Result<()> {
    survives_in_rabbitmq(Side::Client, Trigger::ack(), SLOW).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_cut_before_a_follow_on_arrives_gets_it_later() -> Result<()> {
    survives_in_rabbitmq(Side::Client, Trigger::publish(), Then::CutBefore).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_cut_before_it_confirms_a_follow_on_gets_it_again() -> Result<()> {
    survives_in_rabbitmq(Side::Server, Trigger::ack(), Then::CutBefore).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn services_that_are_slow_slow_the_route_and_lose_nothing() -> Result<()> {
    let stack = Stack::new().await?;
    let ((rabbitmq, broker), (database, postgres)) =
        (before_broker(&stack).await?, before_postgres(&stack).await?);
    let api = door(&stack, &[(BROKER, &broker)]).await?;
    let client = stack.client(&api)?;
    let _worker = worker(&stack, &[(BROKER, &broker), (POSTGRES, &postgres)]).await?;
    let load = Load::start(&client, &api.url(), 12);
    load.goes_on(50).await?;
    for slow in [&rabbitmq, &database] {
        slow.set(Mode::Slow(40_000));
        load.goes_on(30).await?;
        slow.pass();
        load.goes_on(50).await?;
    }
    load.ends().await?;
    all_stored(&stack, &client).await?;
    Ok(())
}
