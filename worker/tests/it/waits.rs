//! What isn't known here yet waits, at no charge, within a budget.

use std::time::Duration;

use epro_proving::client::phq9;
use epro_proving::sealed::{Envelope, SUBMISSION};
use epro_proving::{Hand, Service, conservation, until};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    BOUND, DEAD, DEFERRED, ROUTINE, SITE, STORED, STUDY, URGENT, alert_row, alerts_of, amendment,
    another_worker, calm, counts, dangerous, dead, hurried, id, link, signalled, with, write_instrument,
};

/// A key of 32 bytes, as a file holds it.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

#[tokio::test(flavor = "multi_thread")]
async fn a_message_under_an_unknown_key_waits_until_the_key_comes_and_nothing_is_started_again() {
    let stack = with(json!({"time_scale": 0.01})).await;
    let file = stack.folder().join("keys/seal-k2");
    std::fs::write(&file, KEY).unwrap();
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let mut old = stack.worker().await.unwrap();
    let submission = calm();
    let (message_id, bytes) = (Uuid::now_v7(), submission.to_string().into_bytes());
    let envelope = Envelope { subject: "P-1".into(), actor: "P-1".into(), bytes }.write().unwrap();
    let mut letter = hand.letter(ROUTINE, "P-1", &submission).unwrap().with("epro-key", json!("k2"));
    letter.id = Some(message_id.to_string());
    letter.body = hand.keys().seal_with("k2", SUBMISSION, message_id, &envelope).unwrap();
    hand.publish(&letter).await.unwrap();
    hand.note(&submission);
    waits(&old).await;
    assert_eq!((link.count(STORED).await.unwrap(), link.count(DEAD).await.unwrap()), (0, 0));
    // The key comes, and it becomes the one that seals: no process is started again.
    let mut api = stack.api().await.unwrap();
    let mut config: Value = serde_json::from_slice(&std::fs::read(stack.config()).unwrap()).unwrap();
    config["keys"]["seal"]["files"]["k2"] = json!(file);
    config["keys"]["seal"]["current"] = json!("k2");
    std::fs::write(stack.config(), config.to_string()).unwrap();
    counts(&link, STORED, 1).await;
    let rotated = |output: &str| output.contains("the seal keys were read anew");
    until("the door", BOUND, || async { Ok(rotated(&api.output()).then_some(())) }).await.unwrap();
    let client = stack.client(&api).unwrap();
    assert_eq!(client.submit("P-1", &calm()).await.unwrap().status, 202);
    counts(&link, STORED, 2).await;
    let under_k2 =
        "SELECT count(*) FROM identified.submission WHERE position('\\x6b32'::bytea IN sealed) = 3";
    assert_eq!(link.count(under_k2).await.unwrap(), 2);
    api.drain(Duration::from_secs(25)).await.unwrap();
    old.drain(Duration::from_secs(25)).await.unwrap();
    let mut new = stack.worker().await.unwrap();
    new.ready().await.unwrap();
    let sent = [hand.log(), client.log()].concat();
    let account = conservation(&stack, &sent).await.unwrap();
    assert_eq!((account.stored, account.dead), (2, 0));
}

/// Until a worker has parked something.
async fn waits(worker: &Service) {
    until("something to wait", BOUND, || async {
        Ok(worker.metrics().await?.contains("outcome=\"waits\"").then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_submissions_that_only_the_newer_of_two_workers_knows_are_all_stored() {
    // A day is 86 s here; tiers and budget keep their proportion.
    let stack = with(json!({"time_scale": 0.001})).await;
    let folder = stack.folder().join("instruments");
    write_instrument(&folder, "phq-9-next", PHQ9_NEXT);
    let hand = Hand::on(&stack).await.unwrap();
    let mut newer = another_worker(&stack, "newer", |config| {
        config["instruments"] = json!({"directory": folder});
    });
    let older = stack.worker().await.unwrap();
    newer.ready().await.unwrap();
    let submissions: Vec<Value> = (0..1000)
        .map(|_| {
            let mut submission = calm();
            submission["instrument"] = json!("phq-next|2.0");
            submission["answers"] = json!({"q-1": 1});
            submission
        })
        .collect();
    hand.put_all(ROUTINE, "P-1", &submissions).await.unwrap();
    // It was handed some of them, too.
    waits(&older).await;
    let account = conservation(&stack, &hand.log()).await.unwrap();
    assert_eq!((account.stored, account.dead), (1000, 0));
}

const PHQ9_NEXT: &str = "\
id: phq-next
version: \"2.0\"
title: A version that only a newer worker knows
licence: For tests only.
lists:
  often:
    system: http://loinc.org
    options:
      - { code: LA6568-5, score: 0 }
      - { code: LA6569-3, score: 1 }
items:
  - { link_id: q-1, type: coded, list: often }
";

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_whose_budget_is_spent_becomes_a_dead_letter_that_says_what_was_missing() {
    let stack = with(json!({"time_scale": 0.01, "worker": {"wait_budget": "1s"}})).await;
    let (_worker, link) = (stack.worker().await.unwrap(), link(&stack).await);
    let hand = Hand::on(&stack).await.unwrap();
    let orphan = amendment(&calm(), "its base never comes");
    let mut unknown = calm();
    unknown["instrument"] = json!("phq-next|2.0");
    let elsewhere = phq9(STUDY, "H999");
    for submission in [&orphan, &unknown, &elsewhere] {
        hand.put(ROUTINE, "P-1", submission).await.unwrap();
    }
    let found = dead(&link, 3).await;
    let why = |submission: &Value| {
        let letter = found.iter().find(|letter| letter.submission.as_deref() == Some(id(submission)));
        letter.map(|letter| (letter.class.as_str(), letter.detail.as_str())).unwrap()
    };
    assert_eq!(why(&orphan), ("base_absent", "the submission that it amends never came"));
    assert_eq!(why(&unknown), ("unknown", "its instrument isn't known here in that version"));
    assert_eq!(why(&elsewhere), ("unknown", "its study or site isn't configured here"));
    for letter in &found {
        assert_eq!((letter.queue.as_str(), letter.lane.as_str()), (DEFERRED, "submissions.deferred"));
        assert_eq!(letter.headers["epro-waits"], "1", "{letter:?}");
    }
    let account = conservation(&stack, &hand.log()).await.unwrap();
    assert_eq!((account.stored, account.dead), (0, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_urgent_submission_of_an_unknown_instrument_alerts_before_it_waits() {
    let stack = hurried().await;
    let (worker, link) = (stack.worker().await.unwrap(), link(&stack).await);
    let hand = Hand::on(&stack).await.unwrap();
    let folder = stack.folder().join("instruments");
    write_instrument(&folder, "phq-9-next", PHQ9_NEXT);
    let mut submission = dangerous();
    submission["instrument"] = json!("phq-next|2.0");
    submission["answers"] = json!({"q-1": 1});
    hand.publish(&signalled(hand.letter(URGENT, "P-1", &submission).unwrap())).await.unwrap();
    hand.note(&submission);
    assert_eq!(alerts_of(&hand, id(&submission)).await[0]["rule"], "self-harm");
    assert_eq!(alert_row(&link, id(&submission)).await.1, "critical");
    waits(&worker).await;
    drop(worker);
    let mut newer = another_worker(&stack, "newer", |config| {
        config["instruments"] = json!({"directory": folder});
    });
    newer.ready().await.unwrap();
    let account = conservation(&stack, &hand.log()).await.unwrap();
    assert_eq!((account.stored, account.dead), (1, 0));
    alert_row(&link, id(&submission)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_waiting_messages_of_a_deleted_queue_delay_nobody_and_become_dead_letters() {
    let stack = hurried().await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    stack.vhost().delete_queue("epro.his.H001").await.unwrap();
    let (base, calm) = (calm(), phq9(STUDY, SITE));
    let gone = hand.letter("epro.his.H001", "P-1", &calm).unwrap().through("epro.wait.5s");
    for _ in 0..100 {
        let (id, body) = (Uuid::now_v7(), b"{}".to_vec());
        let mut letter = gone.clone();
        (letter.id, letter.kind, letter.body) = (Some(id.to_string()), Some("epro.delivery.v1".into()), body);
        hand.publish(&letter).await.unwrap();
    }
    // Behind them in the same tier: a submission that only has to come back.
    let behind = hand.letter(DEFERRED, "P-1", &base).unwrap().through("epro.wait.5s");
    hand.publish(&behind).await.unwrap();
    hand.note(&base);
    let _worker = stack.worker().await.unwrap();
    counts(&link, STORED, 1).await;
    let found = dead(&link, 100).await;
    for letter in &found {
        assert_eq!((letter.class.as_str(), letter.queue.as_str()), ("broker", "epro.his.H001"));
        assert_eq!(letter.detail, "no queue was bound for it");
    }
    stack.epro(&["topology", "apply"]).await.unwrap();
    conservation(&stack, &hand.log()).await.unwrap();
    // And each finds its way back once its queue is there again.
    let redrive = ["dead-letters", "redrive", "--class", "broker", "--yes", "--reason", "queue is back"];
    stack.epro(&redrive).await.unwrap();
    counts(&link, DEAD, 0).await;
    assert_eq!(stack.vhost().ready("epro.his.H001").await.unwrap(), 100);
}
