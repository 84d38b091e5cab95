//! What comes again, is corrected, set aside or redriven: told once, and never not at all.

use epro_proving::hand::Letter;
use epro_proving::{Hand, Inbox, Service, Stack};
use serde_json::{Value, json};

use super::{SENT, UNDONE, alerting, both, send};
use crate::support::{DEAD, STORED, URGENT, amendment, calm, counts, dangerous, dead, id, link, signalled};

const ALERTS: &str = "SELECT count(*) FROM ops.alert";

async fn with_an_inbox() -> (Inbox, Stack, Service, Hand) {
    let inbox = Inbox::start().await.unwrap();
    let stack = alerting(json!({"smtp": inbox.config()})).await;
    let worker = stack.worker().await.unwrap();
    let hand = Hand::on(&stack).await.unwrap();
    (inbox, stack, worker, hand)
}

fn urgent(hand: &Hand, submission: &Value) -> Letter {
    signalled(hand.letter(URGENT, "P-1", submission).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_with_a_dangerous_answer_is_told_and_the_same_alert_only_once() {
    let (inbox, stack, _worker, hand) = with_an_inbox().await;
    let link = link(&stack).await;
    let first = calm();
    hand.publish(&hand.letter("epro.submissions.routine", "P-1", &first).unwrap()).await.unwrap();
    counts(&link, STORED, 1).await;
    let mut conflict = dangerous();
    conflict["submission_id"] = first["submission_id"].clone();
    for _ in 0..3 {
        hand.publish(&urgent(&hand, &conflict)).await.unwrap();
    }
    inbox.holds(1).await.unwrap();
    counts(&link, DEAD, 3).await;
    counts(&link, SENT, 1).await;
    assert_eq!(inbox.mails().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_opened_is_told_by_what_intake_wrote_on_it_and_a_redrive_tells_nobody_again() {
    let (inbox, stack, _worker, hand) = with_an_inbox().await;
    let link = link(&stack).await;
    let mut letter = urgent(&hand, &dangerous())
        .with("epro-site", json!("H004"))
        .with("epro-study", json!(crate::support::STUDY));
    let end = letter.body.len() - 1;
    letter.body[end] ^= 1;
    hand.publish(&letter).await.unwrap();
    inbox.holds(1).await.unwrap();
    counts(&link, SENT, 1).await;
    let number = dead(&link, 1).await[0].id.to_string();
    stack.epro(&["dead-letters", "redrive", &number, "--yes", "--reason", "try"]).await.unwrap();
    counts(&link, "SELECT count(*) FROM ops.dead_letter WHERE times = 2", 1).await;
    // What is told after it was not told before it.
    hand.publish(&urgent(&hand, &dangerous())).await.unwrap();
    inbox.holds(2).await.unwrap();
    counts(&link, SENT, 2).await;
    assert_eq!(link.count(ALERTS).await.unwrap(), 2);
    assert_eq!(inbox.mails().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_amendment_that_keeps_the_answer_tells_nobody_one_that_adds_it_does_one_that_withdraws_is_noted() {
    let (inbox, stack, worker, hand) = with_an_inbox().await;
    let link = link(&stack).await;
    let base = calm();
    hand.publish(&hand.letter("epro.submissions.routine", "P-1", &base).unwrap()).await.unwrap();
    counts(&link, STORED, 1).await;
    let mut adds = amendment(&base, "a slip of the finger");
    adds["answers"]["44260-8"] = json!(1);
    hand.publish(&urgent(&hand, &adds)).await.unwrap();
    inbox.holds(1).await.unwrap();
    counts(&link, STORED, 2).await;
    let mut keeps = amendment(&adds, "one more");
    keeps["answers"]["44260-8"] = json!(3);
    hand.publish(&urgent(&hand, &keeps)).await.unwrap();
    counts(&link, STORED, 3).await;
    let withdraws = amendment(&keeps, "meant the other one");
    hand.publish(&hand.letter("epro.submissions.routine", "P-1", &withdraws).unwrap()).await.unwrap();
    counts(&link, STORED, 4).await;
    let noted = format!("SELECT count(*) FROM ops.alert WHERE withdrawn_by = '{}'", id(&withdraws));
    counts(&link, &noted, 2).await;
    counts(&link, UNDONE, 1).await;
    counts(&link, "SELECT count(*) FROM audit.event WHERE action = 'alert.withdrawn'", 2).await;
    hand.publish(&urgent(&hand, &dangerous())).await.unwrap();
    inbox.holds(2).await.unwrap();
    assert_eq!(inbox.mails().unwrap().len(), 2, "{}", worker.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unanswered_item_9_is_unknown_flagged_and_alerts_nobody() {
    let inbox = Inbox::start().await.unwrap();
    let stack = alerting(json!({"smtp": inbox.config()})).await;
    let (_api, _worker, client) = both(&stack).await;
    let mut skipped = calm();
    skipped["answers"].as_object_mut().unwrap().remove("44260-8");
    assert_eq!(client.submit("P-1", &skipped).await.unwrap().status, 202);
    let link = link(&stack).await;
    let flagged = "SELECT count(*) FROM research.submission WHERE checks::text LIKE '%self-harm-unknown%'";
    counts(&link, flagged, 1).await;
    assert_eq!(link.count(ALERTS).await.unwrap(), 0);
    // The next one is told: the lane is awake.
    send(&client).await;
    inbox.holds(1).await.unwrap();
    assert_eq!(inbox.mails().unwrap().len(), 1);
}
