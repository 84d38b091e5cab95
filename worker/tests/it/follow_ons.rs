//! What a stored submission leads to: published at once, or later, or without PostgreSQL; never lost.

use std::collections::BTreeSet;
use std::sync::Mutex;

use epro_proving::client::phq9;
use epro_proving::services::{Services, host_port};
use epro_proving::stack::Plan;
use epro_proving::{Hand, Proxy, Stack, conservation, until};
use serde_json::{Value, json};

use crate::support::{
    ALERTS, BOUND, DEAD, ROUTINE, SITE, STORED, STUDY, URGENT, alert_row, alerts_of, counts, dangerous,
    empty, hurried, id, link, signalled, with,
};

const HIS: &str = "epro.his.H001";
const UNSENT: &str = "SELECT count(*) FROM ops.delivery WHERE state = 'unsent'";

fn for_the_hospital(count: usize) -> Vec<Value> {
    (0..count).map(|_| phq9(STUDY, SITE)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_hospital_queue_stops_nothing_and_gets_the_rest_once_there_is_room() {
    let stack = hurried().await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    stack.vhost().policy("full", "^epro[.]his[.]H001$", json!({"max-length": 3})).await.unwrap();
    let _worker = stack.worker().await.unwrap();
    // One after the other: a burst may get past the limit before the broker counts it.
    for submission in for_the_hospital(12) {
        hand.put(ROUTINE, "P-1", &submission).await.unwrap();
        let (here, id) =
            ("SELECT count(*) FROM ops.delivery WHERE submission_id", id(&submission).to_owned());
        counts(&link, &format!("{here} = '{id}'"), 1).await;
    }
    counts(&link, STORED, 12).await;
    empty(&stack, ROUTINE).await;
    assert!(link.count(UNSENT).await.unwrap() >= 1);
    // The hospital takes what lies there, and what comes after it, until it has had all of them.
    let taken = Mutex::new(BTreeSet::new());
    until("all of them to reach the hospital", BOUND, || async {
        for letter in hand.take(HIS).await? {
            taken.lock().unwrap().insert(hand.read(&letter)?["submission_id"].to_string());
        }
        Ok((taken.lock().unwrap().len() == 12).then_some(()))
    })
    .await
    .unwrap();
    counts(&link, UNSENT, 0).await;
    link.client.batch_execute("UPDATE ops.delivery SET state = 'done'").await.unwrap();
    let account = conservation(&stack, &hand.log()).await.unwrap();
    assert_eq!((account.stored, account.dead), (12, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_hospital_queue_stops_nothing_and_gets_all_once_it_is_declared() {
    let stack = hurried().await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    stack.vhost().delete_queue(HIS).await.unwrap();
    let _worker = stack.worker().await.unwrap();
    hand.put_all(ROUTINE, "P-1", &for_the_hospital(50)).await.unwrap();
    counts(&link, STORED, 50).await;
    empty(&stack, ROUTINE).await;
    counts(&link, UNSENT, 50).await;
    assert_eq!(link.count(DEAD).await.unwrap(), 0);
    stack.epro(&["topology", "apply"]).await.unwrap();
    counts(&link, UNSENT, 0).await;
    let account = conservation(&stack, &hand.log()).await.unwrap();
    assert_eq!((account.stored, account.dead), (50, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sick_hospital_queue_does_not_hide_a_healthy_one_from_the_relay() {
    let stack = hurried().await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    for queue in [HIS, "epro.his.H002"] {
        stack.vhost().delete_queue(queue).await.unwrap();
    }
    let _worker = stack.worker().await.unwrap();
    hand.put_all(ROUTINE, "P-1", &for_the_hospital(20)).await.unwrap();
    let others: Vec<Value> = (0..20).map(|_| phq9(STUDY, "H002")).collect();
    hand.put_all(ROUTINE, "P-1", &others).await.unwrap();
    counts(&link, UNSENT, 40).await;
    // Whole again is one of them only: the other stays without a binding.
    stack.epro(&["topology", "apply"]).await.unwrap();
    stack.vhost().delete_queue(HIS).await.unwrap();
    counts(&link, &format!("{UNSENT} AND site_id = 'H002'"), 0).await;
    stack.epro(&["topology", "apply"]).await.unwrap();
    counts(&link, UNSENT, 0).await;
    conservation_but_for_the_deleted_queue(&stack, &hand).await;
}

/// What had reached the hospital's queue before the test deleted it is gone with it: publish it again.
async fn conservation_but_for_the_deleted_queue(stack: &Stack, hand: &Hand) {
    let link = link(stack).await;
    link.client.batch_execute("UPDATE ops.delivery SET state = 'unsent'").await.unwrap();
    counts(&link, UNSENT, 0).await;
    let account = conservation(stack, &hand.log()).await.unwrap();
    assert_eq!((account.stored, account.dead), (40, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dangerous_answer_in_routine_circumstances_is_a_row_and_a_message_without_the_patient() {
    let stack = hurried().await;
    let (api, _worker) = tokio::try_join!(stack.api(), stack.worker()).unwrap();
    let (client, link) = (stack.client(&api).unwrap(), link(&stack).await);
    let hand = Hand::on(&stack).await.unwrap();
    let submission = dangerous();
    assert_eq!(client.submit("P-Quillon", &submission).await.unwrap().status, 202);
    let alert = alerts_of(&hand, id(&submission)).await.remove(0);
    assert_eq!(alert["severity"], "critical");
    let keys: Vec<&String> = alert.as_object().unwrap().keys().collect();
    let known = ["alert_id", "received_at", "rule", "severity", "site_id", "study_id", "submission_id"];
    assert_eq!(keys, known);
    let (rule, severity, state) = alert_row(&link, id(&submission)).await;
    assert_eq!((rule.as_str(), severity.as_str(), state.as_str()), ("self-harm", "critical", "queued"));
    conservation(&stack, &client.log()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_that_finds_no_queue_is_relayed_once_there_is_one() {
    let stack = hurried().await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    stack.vhost().delete_queue(ALERTS).await.unwrap();
    let _worker = stack.worker().await.unwrap();
    let submission = dangerous();
    hand.publish(&signalled(hand.letter(URGENT, "P-1", &submission).unwrap())).await.unwrap();
    hand.note(&submission);
    counts(&link, "SELECT count(*) FROM ops.alert WHERE state = 'unsent'", 1).await;
    stack.epro(&["topology", "apply"]).await.unwrap();
    alerts_of(&hand, id(&submission)).await;
    conservation(&stack, &hand.log()).await.unwrap();
}

/// A stack whose processes reach PostgreSQL through a proxy.
async fn behind_a_proxy() -> (Stack, Proxy) {
    let database = Services::from_env().unwrap().database;
    let proxy = Proxy::to(&host_port(&database).unwrap()).await.unwrap();
    let plan =
        Plan { config: json!({"time_scale": 0.02}), postgres: Some(proxy.address()), ..Plan::default() };
    (Stack::with(plan).await.unwrap(), proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn with_postgresql_away_an_urgent_submission_alerts_first_and_is_stored_later() {
    let (stack, proxy) = behind_a_proxy().await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let (api, _worker) = tokio::try_join!(stack.api(), stack.worker()).unwrap();
    let client = stack.client(&api).unwrap();
    proxy.cut();
    // More than the lane may have in hand: none of them waits for the one before.
    let submissions: Vec<Value> = (0..70).map(|_| dangerous()).collect();
    for submission in &submissions {
        assert_eq!(client.submit("P-1", submission).await.unwrap().status, 202);
    }
    for submission in [&submissions[0], &submissions[69]] {
        assert_eq!(alerts_of(&hand, id(submission)).await[0]["rule"], "self-harm");
    }
    assert_eq!(link.count("SELECT count(*) FROM ops.alert").await.unwrap(), 0);
    proxy.pass();
    counts(&link, STORED, 70).await;
    let account = conservation(&stack, &client.log()).await.unwrap();
    assert_eq!((account.stored, account.dead), (70, 0));
    counts(&link, "SELECT count(*) FROM ops.alert", 70).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_starts_without_postgresql_alerts_all_the_same() {
    let (stack, proxy) = behind_a_proxy().await;
    let hand = Hand::on(&stack).await.unwrap();
    proxy.cut();
    let submission = dangerous();
    hand.publish(&signalled(hand.letter(URGENT, "P-1", &submission).unwrap())).await.unwrap();
    hand.note(&submission);
    let mut worker = stack.spawn("epro-worker", &[]).unwrap();
    assert_eq!(alerts_of(&hand, id(&submission)).await[0]["rule"], "self-harm");
    assert_ne!(worker.readyz().await.unwrap().0, 200);
    proxy.pass();
    worker.ready().await.unwrap();
    let account = conservation(&stack, &hand.log()).await.unwrap();
    assert_eq!((account.stored, account.dead), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_is_relayed_without_a_rest_after_each_batch() {
    let stack = with(json!({"worker": {"lanes": ["relay"]}})).await;
    let link = link(&stack).await;
    // With a rest after each of fifty batches it would take far longer than we wait here.
    let backlog = "INSERT INTO ops.alert (alert_id, submission_id, pseudonym, study_id, site_id, rule, severity, state)
                   SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'ONC-301', 'H001', 'r', 'critical',
                          'unsent'
                   FROM generate_series(1, 25000)";
    link.client.batch_execute(backlog).await.unwrap();
    let _worker = stack.worker().await.unwrap();
    counts(&link, "SELECT count(*) FROM ops.alert WHERE state = 'unsent'", 0).await;
    assert_eq!(stack.vhost().ready(ALERTS).await.unwrap(), 25_000);
}
