//! Notes for the audit trail: each is recorded once, whatever the others are.

use epro_proving::Hand;
use epro_proving::hand::Letter;
use serde_json::json;
use uuid::Uuid;

use crate::poison::supervised;
use crate::support::{BOUND, DEAD, counts, dead, empty, hurried, link};

const COMMANDS: &str = "epro.commands";
const NOTES: &str = "SELECT count(*) FROM audit.event WHERE action = 'submission.submit'";

/// A note of something refused, as the door writes it.
fn note(hand: &Hand, client: &str) -> Letter {
    let note = json!({
        "action": "submission.submit", "outcome": "refused", "route": "/api/v1/epro/submit", "status": 422,
        "class": "invalid", "client": client, "actor": null, "submission_id": null, "count": 1,
        "first": "2026-11-23T20:03:11Z", "last": "2026-11-23T20:03:11Z",
    });
    hand.sealed(COMMANDS, Uuid::now_v7(), "epro.audit.v1", &note).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_that_no_table_takes_is_set_aside_and_the_others_are_recorded() {
    let stack = hurried().await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    for place in 0..40 {
        hand.publish(&note(&hand, if place == 17 { "a NUL: \0" } else { "app" })).await.unwrap();
    }
    let _worker = stack.worker().await.unwrap();
    counts(&link, NOTES, 39).await;
    let found = &dead(&link, 1).await[0];
    assert_eq!((found.class.as_str(), found.lane.as_str(), found.wrapped), ("refused", "commands", false));
    assert!(found.detail.contains("22021"), "{}", found.detail);
    empty(&stack, COMMANDS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_whose_ack_was_lost_is_recorded_once() {
    let stack = hurried().await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    hand.publish(&note(&hand, "app")).await.unwrap();
    let mut broken = stack.spawn("epro-worker", &[("EPRO_FAULT", "aftercommit=abort")]).unwrap();
    broken.ended(BOUND).await.unwrap();
    assert_eq!(link.count(NOTES).await.unwrap(), 1);
    // The next one is behind it in the queue.
    hand.publish(&note(&hand, "app")).await.unwrap();
    let _sound = stack.worker().await.unwrap();
    counts(&link, NOTES, 2).await;
    empty(&stack, COMMANDS).await;
    counts(&link, "SELECT count(*) FROM ops.suspect", 0).await;
    assert_eq!((link.count(NOTES).await.unwrap(), link.count(DEAD).await.unwrap()), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_that_ends_the_process_is_quarantined() {
    let stack = hurried().await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    hand.publish(&note(&hand, "app")).await.unwrap();
    let (crashes, _worker) = supervised(&stack, &[("EPRO_FAULT", "beforecommit=abort")], 1).await;
    assert!((1..=3).contains(&crashes), "{crashes} crashes");
    let found = &dead(&link, 1).await[0];
    assert_eq!((found.class.as_str(), found.lane.as_str()), ("quarantined", "commands"));
    assert_eq!(link.count(NOTES).await.unwrap(), 0);
    counts(&link, "SELECT count(*) FROM ops.suspect", 0).await;
}
