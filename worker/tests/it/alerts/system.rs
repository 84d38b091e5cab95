//! What operators are told of the relay itself: once when it starts, once when it clears.

use epro_proving::inbox::Mail;
use epro_proving::{Hand, Inbox, Stack, until};
use serde_json::{Value, json};

use super::alerting;
use crate::support::{BOUND, ROUTINE, calm, counts, link};

/// A stack with an operator.
async fn operated(inbox: &Inbox, system: Value) -> Stack {
    let operators = json!([{"name": "ann", "role": "operator", "email": "ann@epro.example"}]);
    let change = json!({"smtp": inbox.config(), "operators": operators, "system": system, "recipients": {}});
    alerting(change).await
}

/// Waits for a mail to the operator with that subject; all of them so far.
async fn told(inbox: &Inbox, subject: &str) -> Vec<Mail> {
    until(&format!("a mail {subject:?}"), BOUND, || async {
        let mails = inbox.mails()?;
        Ok(mails.iter().any(|mail| mail.subject == subject).then_some(mails))
    })
    .await
    .unwrap_or_else(|error| panic!("{error:#}: {:?}", inbox.mails()))
}

fn about(mails: &[Mail], word: &str) -> usize {
    mails.iter().filter(|mail| mail.subject.contains(word)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_without_a_consumer_is_told_once_when_it_starts_and_once_when_it_clears_by_one_of_two_workers()
{
    let inbox = Inbox::start().await.unwrap();
    let stack = operated(&inbox, json!({"patience": "30s"})).await;
    let only = ("EPRO__WORKER__LANES", "[alerts]");
    let _both = (stack.spawn("epro-worker", &[only]).unwrap(), stack.spawn("epro-worker", &[only]).unwrap());
    let hand = Hand::on(&stack).await.unwrap();
    hand.put_all(ROUTINE, "P-1", &[calm(), calm()]).await.unwrap();
    let mails = told(&inbox, "trouble: lane-without-consumer epro.submissions.routine").await;
    assert!(mails[0].text.contains("at most    2"), "{}", mails[0].text);
    let _third = stack.worker().await.unwrap();
    let mails = told(&inbox, "cleared: lane-without-consumer epro.submissions.routine").await;
    assert_eq!(about(&mails, "lane-without-consumer"), 2, "{mails:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn growing_dead_letters_are_told_with_their_number_and_cleared_with_their_period() {
    let inbox = Inbox::start().await.unwrap();
    let stack = operated(&inbox, json!({"patience": "30s", "dead_letters": 3, "window": "500s"})).await;
    let _workers = tokio::try_join!(stack.worker(), stack.worker()).unwrap();
    let hand = Hand::on(&stack).await.unwrap();
    for number in 0_u128..4 {
        let id = uuid(number);
        let letter = epro_proving::hand::plain(ROUTINE, id, "epro.unheard-of.v1", b"{}".to_vec());
        hand.publish(&letter).await.unwrap();
    }
    let mails = told(&inbox, "trouble: dead-letters submissions.routine").await;
    let first = mails.iter().find(|mail| mail.subject.contains("dead-letters")).unwrap();
    assert_eq!(first.to, ["ann@epro.example"]);
    assert!(first.text.contains("at most    4"), "{}", first.text);
    let mails = told(&inbox, "cleared: dead-letters submissions.routine").await;
    let last = mails.iter().find(|mail| mail.subject.starts_with("cleared: dead")).unwrap();
    assert!(last.text.contains("until") && last.text.contains("at most    4"), "{}", last.text);
    assert_eq!(about(&mails, "dead-letters"), 2, "{mails:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_paused_itself_is_told_and_one_that_an_operator_paused_is_not() {
    let inbox = Inbox::start().await.unwrap();
    let stack = operated(&inbox, json!({"patience": "10s"})).await;
    let _worker = stack.worker().await.unwrap();
    let link = link(&stack).await;
    link.client
        .batch_execute(
            "INSERT INTO ops.pause (kind, key, paused_by, reason) VALUES
             ('lane', 'submissions.routine', 'system:epro-worker', '20 dead letters of class refused in a row'),
             ('lane', 'dead', 'operator:ann', 'maintenance')",
        )
        .await
        .unwrap();
    let mails = told(&inbox, "trouble: paused-itself lane submissions.routine").await;
    assert!(mails.iter().any(|mail| mail.text.contains("20 dead letters of class refused")));
    stack.epro(&["resume", "submissions.routine", "--reason", "mended"]).await.unwrap();
    let mails = told(&inbox, "cleared: paused-itself lane submissions.routine").await;
    assert_eq!(about(&mails, "paused-itself"), 2, "{mails:?}");
    assert_eq!(about(&mails, "dead"), 0, "what an operator did they know: {mails:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_gone_is_told_and_cleared_once_it_is_declared() {
    let inbox = Inbox::start().await.unwrap();
    let stack = operated(&inbox, json!({"patience": "10s"})).await;
    // Its lane should run here, and can't: the queue is gone.
    stack.vhost().delete_queue("epro.commands").await.unwrap();
    let _worker = stack.spawn("epro-worker", &[]).unwrap();
    told(&inbox, "trouble: queue-missing epro.commands").await;
    stack.epro(&["topology", "apply"]).await.unwrap();
    let mails = told(&inbox, "cleared: queue-missing epro.commands").await;
    assert_eq!(about(&mails, "queue-missing"), 2, "{mails:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_before_its_time_is_told_to_nobody() {
    let inbox = Inbox::start().await.unwrap();
    let stack = operated(&inbox, json!({"patience": "150s", "dead_letters": 1, "window": "50s"})).await;
    let _worker = stack.worker().await.unwrap();
    let hand = Hand::on(&stack).await.unwrap();
    let link = link(&stack).await;
    hand.publish(&epro_proving::hand::plain(ROUTINE, uuid(1), "epro.unheard-of.v1", b"{}".to_vec()))
        .await
        .unwrap();
    counts(&link, "SELECT count(*) FROM ops.condition WHERE state = 'pending'", 1).await;
    counts(&link, "SELECT count(*) FROM ops.condition", 0).await;
    assert!(inbox.mails().unwrap().is_empty());
}

fn uuid(number: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(number + 1)
}
