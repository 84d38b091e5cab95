//! 503: nothing is promised that the broker has not confirmed, and nobody waits for ever.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use epro_proving::proxy::{Side, Then, Trigger};
use epro_proving::{Client, Proxy, Service, Stack, services, stack::Plan, until};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::fhir::{BUNDLE, response};
use crate::support::{BATCH, ROUTINE, SITE, STUDY, SUBMIT, URGENT, alerting, door, phq9, place, problem};

const SOON: Duration = Duration::from_secs(20);
/// Within this time somebody is told that the broker doesn't confirm.
const PROMISED: Duration = Duration::from_secs(3);
/// Nobody waits longer for an answer that was promised by then, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(6);

async fn behind_a_proxy(config: Value) -> Result<(Proxy, Stack, Service, Client)> {
    let amqp = services::Services::from_env()?.amqp;
    let proxy = Proxy::to(&services::host_port(&amqp)?).await?;
    let plan = Plan { config, broker: Some(proxy.address()), ..Plan::default() };
    let stack = Stack::with(plan).await?;
    let api = stack.api().await?;
    let client = stack.client(&api)?;
    Ok((proxy, stack, api, client))
}

/// A 503 that says when to come again, and nothing of why.
async fn is_unavailable(client: &Client, submission: &Value) -> Result<()> {
    let reply = client.giving_up_after(PATIENCE)?.submit("P-1", submission).await?;
    assert_eq!((reply.status, problem(&reply)?.as_str()), (503, "unavailable"));
    let seconds: u64 = reply.header("retry-after").unwrap_or_default().parse()?;
    assert!((1..=30).contains(&seconds));
    for inside in ["topology", "queue", "broker", "rabbit"] {
        assert!(!reply.body.to_lowercase().contains(inside), "{}", reply.body);
    }
    Ok(())
}

/// How often a class was counted.
async fn counted(client: &Client, api: &Service, class: &str) -> Result<bool> {
    let metrics = client.at(&api.admin()).get_open("/metrics").await?.body;
    Ok(metrics.contains(&format!("status=\"503\",class=\"{class}\"")))
}

#[tokio::test]
async fn a_missing_queue_is_503_and_the_operator_is_told_what_to_run() -> Result<()> {
    let (stack, mut api, client) = door().await?;
    stack.vhost().delete_queue(ROUTINE).await?;
    is_unavailable(&client, &phq9()).await?;
    api.ready_is(false, SOON).await?;
    let (_, why) = api.readyz().await?;
    assert!(why.contains(&format!("queue {ROUTINE} is missing: run `epro topology apply`")), "{why}");
    assert!(api.output().contains("run `epro topology apply`"), "{}", api.output());
    assert_eq!(client.submit("P-1", &alerting()).await?.status, 202, "the other queue is there");
    stack.epro(&["topology", "apply"]).await?;
    api.ready_is(true, SOON).await?;
    assert_eq!(client.submit("P-1", &phq9()).await?.status, 202);
    Ok(())
}

#[tokio::test]
async fn with_the_broker_gone_it_is_503_and_with_the_broker_back_202() -> Result<()> {
    let (proxy, _stack, mut api, client) = behind_a_proxy(Value::Null).await?;
    proxy.cut();
    api.ready_is(false, SOON).await?;
    is_unavailable(&client, &phq9()).await?;
    assert!(counted(&client, &api, "broker_away").await?);
    proxy.pass();
    api.ready_is(true, SOON).await?;
    assert_eq!(client.submit("P-1", &phq9()).await?.status, 202);
    Ok(())
}

#[tokio::test]
async fn a_broker_that_falls_silent_is_503_before_the_client_gives_up() -> Result<()> {
    let (proxy, _stack, api, client) = behind_a_proxy(Value::Null).await?;
    proxy.stall();
    // A machine that is busy with other tests may hold up one answer, not each of three.
    let mut best = PATIENCE;
    for _ in 0..3 {
        let asked = Instant::now();
        is_unavailable(&client, &phq9()).await?;
        best = best.min(asked.elapsed());
    }
    assert!(best < PROMISED, "{best:?}");
    assert!(counted(&client, &api, "unconfirmed").await?);
    proxy.pass();
    let submission = phq9();
    until("the door to accept again", SOON, || async {
        Ok((client.submit("P-1", &submission).await?.status == 202).then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_connection_cut_before_the_confirm_is_no_202() -> Result<()> {
    let (proxy, stack, _api, client) = behind_a_proxy(Value::Null).await?;
    let trip = proxy.arm(Side::Client, Trigger::publish(), Then::CutAfter);
    is_unavailable(&client, &phq9()).await?;
    drop(trip);
    proxy.pass();
    let submission = phq9();
    until("the door to accept again", SOON, || async {
        Ok((client.submit("P-1", &submission).await?.status == 202).then_some(()))
    })
    .await?;
    assert!((1..=2).contains(&stack.vhost().ready(ROUTINE).await?), "the first may have arrived or not");
    Ok(())
}

#[tokio::test]
async fn a_full_queue_is_503_and_the_urgent_way_stays_open() -> Result<()> {
    let (stack, api, client) = door().await?;
    let full = json!({"max-length": 1, "overflow": "reject-publish"});
    stack.vhost().policy("full", "^epro\\.submissions\\.routine$", full).await?;
    until("the queue to be full", SOON, || async {
        Ok((client.submit("P-1", &phq9()).await?.status == 503).then_some(()))
    })
    .await?;
    assert!(counted(&client, &api, "broker_refused").await?);
    assert_eq!(client.submit("P-1", &alerting()).await?.status, 202);
    assert_eq!(stack.vhost().ready(URGENT).await?, 1);
    Ok(())
}

#[tokio::test]
async fn above_the_bound_of_outstanding_publishes_it_is_503_at_once() -> Result<()> {
    let bound = json!({"intake": {"outstanding": 2}});
    let (proxy, _stack, api, client) = behind_a_proxy(bound).await?;
    proxy.stall();
    let submissions = [phq9(), phq9(), phq9(), phq9()];
    let [a, b, c, d] = &submissions;
    let post = |submission| is_unavailable(&client, submission);
    tokio::try_join!(post(a), post(b), post(c), post(d))?;
    assert!(counted(&client, &api, "busy").await?, "two had no slot");
    assert!(counted(&client, &api, "unconfirmed").await?, "two had one");
    Ok(())
}

#[tokio::test]
async fn a_batch_before_a_silent_broker_leaves_half_of_the_slots_to_single_submissions() -> Result<()> {
    let (proxy, stack, api, client) = behind_a_proxy(json!({"intake": {"outstanding": 8}})).await?;
    let token = stack.minter().patient("P-1", STUDY, SITE)?;
    let batch = (0..100).map(|_| format!("{}\n", phq9())).collect::<String>();
    proxy.stall();
    let patient = client.giving_up_after(PATIENCE)?;
    let posting = patient.post(BATCH, &token, batch.into_bytes());
    let single = async {
        until("the batch to have all that it may have", SOON, || async {
            Ok((outstanding(&api).await? == 4).then_some(()))
        })
        .await?;
        four_have_a_slot_each(&client, &api).await
    };
    let (reply, ()) = tokio::try_join!(posting, single)?;
    assert_eq!(reply.status, 503, "{}", reply.body);
    Ok(())
}

#[tokio::test]
async fn batches_that_gave_up_before_a_silent_broker_leave_half_of_the_slots_to_single_submissions()
-> Result<()> {
    let config = json!({"intake": {"outstanding": 16, "confirm_timeout": "1s"}});
    let (proxy, stack, api, client) = behind_a_proxy(config).await?;
    let token = stack.minter().patient("P-1", STUDY, SITE)?;
    let batch = (0..100).map(|_| format!("{}\n", phq9())).collect::<String>();
    let request = json!({"method": "POST", "url": "QuestionnaireResponse"});
    let entry = || json!({"resource": response(), "request": request});
    let entries: Vec<Value> = (0..100).map(|_| entry()).collect();
    let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": entries});
    proxy.stall();

    let patient = client.giving_up_after(PATIENCE)?;
    let reply = patient.post(BATCH, &token, batch.into_bytes()).await?;
    assert_eq!(reply.status, 503, "{}", reply.body);
    // The broker hasn't answered for the first one's: the next gets no more slots, by whatever door it comes.
    let reply = patient.post_fhir(BUNDLE, &token, &[], &bundle).await?;
    assert_eq!(reply.status, 503, "{}", reply.body);
    // Eight, and what the audit trail is told meanwhile.
    let outstanding = outstanding(&api).await?;
    assert!((8..=12).contains(&outstanding), "{outstanding}");
    four_have_a_slot_each(&client, &api).await
}

/// Publishes that the broker has not answered for, whoever still waits.
async fn outstanding(api: &Service) -> Result<u32> {
    let metrics = api.metrics().await?;
    let line = metrics.lines().find(|line| line.starts_with("epro_publisher_outstanding{"));
    let value = line.and_then(|line| line.rsplit(' ').next()).context("no such gauge")?;
    Ok(value.parse()?)
}

/// Four submissions at once are sent to a silent broker, and none is turned away for want of a slot.
async fn four_have_a_slot_each(client: &Client, api: &Service) -> Result<()> {
    let submissions = [phq9(), phq9(), phq9(), phq9()];
    let [a, b, c, d] = &submissions;
    let post = |submission| is_unavailable(client, submission);
    tokio::try_join!(post(a), post(b), post(c), post(d))?;
    let metrics = api.metrics().await?;
    let submit = |class: &str| {
        metrics
            .lines()
            .any(|line| line.contains(&format!("route=\"{SUBMIT}\",status=\"503\",class=\"{class}\"")))
    };
    assert!(submit("unconfirmed") && !submit("busy"), "each of them had a slot: {metrics}");
    Ok(())
}

#[tokio::test]
async fn clients_that_hang_up_are_counted_and_give_their_slots_back() -> Result<()> {
    let bound = json!({"intake": {"outstanding": 2}});
    let (proxy, stack, api, client) = behind_a_proxy(bound).await?;
    proxy.stall();
    let token = stack.minter().patient("P-1", STUDY, SITE)?;
    for _ in 0..4 {
        let body = phq9().to_string();
        let mut stream = TcpStream::connect(api.listen()).await?;
        let head = format!(
            "POST {SUBMIT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nexpect: 100-continue\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        // Asked for the body, the request is in flight.
        assert!(stream.read(&mut [0; 100]).await? > 0);
        stream.write_all(body.as_bytes()).await?;
    }
    until("the abandoned requests to be counted", SOON, || async {
        let metrics = client.at(&api.admin()).get_open("/metrics").await?.body;
        Ok(metrics.contains(r#"status="499",class="abandoned""#).then_some(()))
    })
    .await?;
    proxy.pass();
    let submission = phq9();
    until("a slot for somebody who waits", SOON, || async {
        Ok((client.submit("P-1", &submission).await?.status == 202).then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_broker_that_is_not_there_at_start_is_waited_for() -> Result<()> {
    let amqp = services::Services::from_env()?.amqp;
    let proxy = Proxy::to(&services::host_port(&amqp)?).await?;
    let stack = Stack::with(Plan { broker: Some(proxy.address()), ..Plan::default() }).await?;
    proxy.cut();
    let mut api = stack.spawn("epro-producer-api", &[])?;
    let client = stack.client(&api)?;
    until("the door to listen", SOON, || async { Ok(client.get_open("/docs").await.ok()) }).await?;
    is_unavailable(&client, &phq9()).await?;
    assert_ne!(api.readyz().await?.0, 200);
    proxy.pass();
    api.ready_is(true, SOON).await?;
    assert_eq!(client.submit("P-1", &phq9()).await?.status, 202);
    Ok(())
}

#[tokio::test]
async fn with_postgres_silent_questions_are_503_before_the_client_gives_up_and_submissions_are_accepted()
-> Result<()> {
    let database = services::Services::from_env()?.database;
    let proxy = Proxy::to(&services::host_port(&database)?).await?;
    let stack = Stack::with(Plan { postgres: Some(proxy.address()), ..Plan::default() }).await?;
    let api = stack.api().await?;
    let client = stack.client(&api)?.giving_up_after(PATIENCE)?;
    let submission = phq9();
    let token = stack.minter().patient("P-1", STUDY, SITE)?;
    let ask = async || client.get(&place(&submission["submission_id"]), &token).await;
    assert_eq!(ask().await?.status, 404, "a connection is there");
    proxy.stall();
    let reply = ask().await?;
    assert_eq!((reply.status, problem(&reply)?.as_str()), (503, "unavailable"));
    assert!(counted(&client, &api, "store_away").await?);
    assert_eq!(client.submit("P-1", &submission).await?.status, 202);
    proxy.pass();
    until("an answer", SOON, || async { Ok((ask().await?.status == 404).then_some(())) }).await
}

#[tokio::test]
async fn without_postgres_submissions_are_accepted_and_only_questions_are_503() -> Result<()> {
    let database = services::Services::from_env()?.database;
    let proxy = Proxy::to(&services::host_port(&database)?).await?;
    let stack = Stack::with(Plan { postgres: Some(proxy.address()), ..Plan::default() }).await?;
    proxy.cut();
    let api = stack.api().await?;
    let client = stack.client(&api)?;
    let submission = phq9();
    assert_eq!(client.submit("P-1", &submission).await?.status, 202);
    let token = stack.minter().patient("P-1", STUDY, SITE)?;
    let reply = client.get(&place(&submission["submission_id"]), &token).await?;
    assert_eq!((reply.status, problem(&reply)?.as_str()), (503, "unavailable"));
    assert!(reply.header("retry-after").is_some());
    Ok(())
}
