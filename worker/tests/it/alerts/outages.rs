//! PostgreSQL or RabbitMQ away: people are told all the same.

use epro_proving::services::{Services, host_port};
use epro_proving::stack::Plan;
use epro_proving::{Inbox, Proxy, SmsGateway, conservation, until};
use serde_json::json;

use super::{SENT, UNDONE, alerting, behind, both, cho, send};
use crate::load::BROKER;
use crate::support::{ALERTS, BOUND, STORED, counts, link, says};

async fn before_postgres() -> (Proxy, Plan) {
    let database = Services::from_env().unwrap().database;
    let proxy = Proxy::to(&host_port(&database).unwrap()).await.unwrap();
    let plan = Plan { postgres: Some(proxy.address()), ..Plan::default() };
    (proxy, plan)
}

#[tokio::test(flavor = "multi_thread")]
async fn with_postgresql_away_the_notice_goes_out_and_is_written_down_later_not_sent_again() {
    let (inbox, gateway) = (Inbox::start().await.unwrap(), SmsGateway::start().await.unwrap());
    let (proxy, plan) = before_postgres().await;
    let change = json!({"smtp": inbox.config(), "sms": gateway.config(), "recipients": {"H004": [cho()]}});
    let stack = behind(plan, change).await;
    let (_api, worker, client) = both(&stack).await;
    let link = link(&stack).await;
    proxy.cut();
    // More than the lane may have in hand: none of them waits for the one before.
    for _ in 0..70 {
        send(&client).await;
    }
    inbox.holds(70).await.unwrap();
    gateway.holds(70).await.unwrap();
    assert_eq!(link.count("SELECT count(*) FROM ops.alert").await.unwrap(), 0);
    says(&worker, "the first level is told without it").await;
    proxy.pass();
    counts(&link, STORED, 70).await;
    counts(&link, SENT, 140).await;
    counts(&link, "SELECT count(*) FROM ops.alert WHERE next_at IS NULL AND state <> 'done'", 70).await;
    until("no alert to wait any more", BOUND, || async {
        let mut waiting = stack.vhost().ready(ALERTS).await?;
        for tier in ["5s", "30s", "2m", "10m"] {
            waiting += stack.vhost().ready(&format!("epro.wait.{tier}")).await?;
        }
        Ok((waiting == 0).then_some(()))
    })
    .await
    .unwrap();
    assert_eq!((inbox.mails().unwrap().len(), gateway.texts().len()), (70, 70));
    conservation(&stack, &client.log()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_without_postgresql_is_not_told_again_by_a_worker_that_takes_the_message_over() {
    let inbox = Inbox::start().await.unwrap();
    let (proxy, plan) = before_postgres().await;
    let stack = behind(plan, json!({"smtp": inbox.config()})).await;
    let api = stack.api().await.unwrap();
    let client = stack.client(&api).unwrap();
    let link = link(&stack).await;
    // Alone at the queue of alerts, so that the message is all that the next one knows.
    let only = ("EPRO__WORKER__LANES", "[alerts]");
    let hand = epro_proving::Hand::on(&stack).await.unwrap();
    let alert = json!({
        "alert_id": "0198f2a4-5b7e-8c31-9d42-6f0a1b2c3d4e", "rule": "self-harm", "severity": "critical",
        "submission_id": "0198f2a4-5b7e-7c31-9d42-6f0a1b2c3d4e", "site_id": "H004", "study_id": "ONC-301",
    });
    let message = "0198f2a4-5b7e-7c31-9d42-6f0a1b2c3d4f".parse().unwrap();
    let letter = hand.sealed(ALERTS, message, "epro.alert.v1", &alert).unwrap();
    proxy.cut();
    let mut first = stack.spawn("epro-worker", &[only]).unwrap();
    hand.publish(&letter).await.unwrap();
    inbox.holds(1).await.unwrap();
    until("the message to be parked", BOUND, || async {
        let parked =
            stack.vhost().ready("epro.wait.5s").await? + stack.vhost().ready("epro.wait.30s").await?;
        Ok((parked == 1).then_some(()))
    })
    .await
    .unwrap();
    first.kill().await.unwrap();
    proxy.pass();
    let _next = stack.spawn("epro-worker", &[only]).unwrap();
    counts(&link, SENT, 1).await;
    counts(&link, UNDONE, 1).await;
    counts(&link, "SELECT count(*) FROM ops.alert WHERE next_at IS NULL", 1).await;
    assert_eq!(inbox.mails().unwrap().len(), 1);
    drop(client);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_rabbitmq_away_what_is_due_is_told_from_postgresql() {
    let inbox = Inbox::start().await.unwrap();
    let stack = alerting(json!({"smtp": inbox.config()})).await;
    let api = stack.api().await.unwrap();
    let client = stack.client(&api).unwrap();
    // One stores, and its alert's message stays where nobody takes it; the other has no broker.
    let stores = stack.spawn("epro-worker", &[("EPRO__WORKER__LANES", "[submissions]")]).unwrap();
    let broker = Services::from_env().unwrap().amqp;
    let proxy = Proxy::to(&host_port(&broker).unwrap()).await.unwrap();
    proxy.cut();
    let away = proxy.lead(stack.vhost().url()).unwrap();
    let lanes = ("EPRO__WORKER__LANES", "[alerts]");
    let mut tells = stack.spawn("epro-worker", &[lanes, (BROKER, &away)]).unwrap();
    send(&client).await;
    inbox.holds(1).await.unwrap();
    let link = link(&stack).await;
    counts(&link, SENT, 1).await;
    assert_ne!(tells.readyz().await.unwrap().0, 200);
    // Back again, it takes the message and tells nobody again.
    proxy.pass();
    tells.ready().await.unwrap();
    crate::support::empty(&stack, ALERTS).await;
    assert_eq!(inbox.mails().unwrap().len(), 1);
    drop(stores);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_that_finds_no_queue_is_told_without_one() {
    let inbox = Inbox::start().await.unwrap();
    let stack = alerting(json!({"smtp": inbox.config()})).await;
    stack.vhost().delete_queue(ALERTS).await.unwrap();
    let api = stack.api().await.unwrap();
    let client = stack.client(&api).unwrap();
    let _worker = stack.spawn("epro-worker", &[]).unwrap();
    send(&client).await;
    inbox.holds(1).await.unwrap();
    stack.epro(&["topology", "apply"]).await.unwrap();
    let link = link(&stack).await;
    counts(&link, SENT, 1).await;
    assert_eq!(inbox.mails().unwrap().len(), 1);
}
