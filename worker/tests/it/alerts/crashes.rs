//! Workers that end without a word while they tell somebody.

use epro_proving::inbox::Mail;
use epro_proving::{Inbox, Stack};
use serde_json::json;

use super::{SENT, alerting, send};
use crate::support::{BOUND, counts, link};

/// What a shell says of a process that called abort: 128 + SIGABRT.
const ABORTED: i32 = 134;

/// A worker that aborts at `seam`, then a sound one: the mails that arrived.
async fn survives_an_abort_at(seam: &str) -> (Stack, Vec<Mail>) {
    let inbox = Inbox::start().await.unwrap();
    let stack = alerting(json!({"smtp": inbox.config()})).await;
    let api = stack.api().await.unwrap();
    let client = stack.client(&api).unwrap();
    let fault = format!("{seam}=abort");
    let mut broken = stack.spawn("epro-worker", &[("EPRO_FAULT", &fault)]).unwrap();
    send(&client).await;
    assert_eq!(broken.ended(BOUND).await.unwrap(), ABORTED, "{}", broken.output());
    let _sound = stack.worker().await.unwrap();
    let link = link(&stack).await;
    counts(&link, SENT, 1).await;
    counts(&link, "SELECT count(*) FROM ops.alert WHERE next_at IS NULL", 1).await;
    let mails = inbox.mails().unwrap();
    (stack, mails)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_before_the_mail_is_sent_leaves_it_to_the_next_worker() {
    assert_eq!(survives_an_abort_at("beforenotice").await.1.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_between_the_mail_and_its_record_sends_it_again_under_the_same_message_id() {
    let (_stack, mails) = survives_an_abort_at("afternotice").await;
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0].message_id, mails[1].message_id);
    assert_eq!(mails[0].text, mails[1].text);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_between_the_record_and_the_ack_sends_nothing_again() {
    assert_eq!(survives_an_abort_at("noticerecorded").await.1.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_between_the_commit_of_the_submission_and_its_alert_is_told_all_the_same() {
    assert_eq!(survives_an_abort_at("aftercommit").await.1.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_side_by_side_tell_each_alert_once() {
    let inbox = Inbox::start().await.unwrap();
    let stack = alerting(json!({"smtp": inbox.config()})).await;
    let api = stack.api().await.unwrap();
    let _both = tokio::try_join!(stack.worker(), stack.worker()).unwrap();
    let client = stack.client(&api).unwrap();
    for _ in 0..20 {
        send(&client).await;
    }
    let link = link(&stack).await;
    counts(&link, SENT, 20).await;
    counts(&link, "SELECT count(*) FROM ops.alert WHERE next_at IS NULL", 20).await;
    assert_eq!(inbox.mails().unwrap().len(), 20);
}
