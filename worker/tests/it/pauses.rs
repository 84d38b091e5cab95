//! A lane that is paused, by itself or by an operator, stands still until it is resumed.

use epro_proving::hand::plain;
use epro_proving::sealed::SUBMISSION;
use epro_proving::{Hand, Service, Stack, conservation, until};
use serde_json::json;
use uuid::Uuid;

use crate::support::{
    BOUND, DEAD, DEFERRED, ROUTINE, STORED, URGENT, calm, counts, dangerous, dead, hurried, id, link, many,
    says, signalled, with,
};

const PAUSES: &str = "SELECT count(*) FROM ops.pause";

async fn garbage(hand: &Hand, queue: &str, count: usize) {
    for _ in 0..count {
        hand.publish(&plain(queue, Uuid::now_v7(), SUBMISSION, b"garbage".to_vec())).await.unwrap();
    }
}

/// Another lane has stored something since: whoever stands still would have had the time.
async fn another_lane_works(stack: &Stack, hand: &Hand) {
    let (link, submission) = (link(stack).await, calm());
    hand.put(DEFERRED, "P-9", &submission).await.unwrap();
    let stored = format!("{STORED} WHERE submission_id = '{}'", id(&submission));
    counts(&link, &stored, 1).await;
}

async fn resume(stack: &Stack, lane: &str) {
    stack.epro(&["resume", lane, "--reason", "looked at them"]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_dead_letters_of_one_class_in_a_row_pause_the_lane_until_it_is_resumed() {
    let stack = hurried().await;
    let (worker, link) = (stack.worker().await.unwrap(), link(&stack).await);
    let hand = Hand::on(&stack).await.unwrap();
    garbage(&hand, ROUTINE, 20).await;
    counts(&link, "SELECT count(*) FROM ops.pause WHERE kind = 'lane' AND key = 'submissions.routine'", 1)
        .await;
    says(&worker, "lane is paused").await;
    hand.put(ROUTINE, "P-1", &calm()).await.unwrap();
    another_lane_works(&stack, &hand).await;
    assert_eq!(stack.vhost().ready(ROUTINE).await.unwrap(), 1);
    assert_eq!(worker.readyz().await.unwrap().0, 200, "paused on purpose is ready");
    resume(&stack, "submissions.routine").await;
    counts(&link, STORED, 2).await;
    let account = conservation(&stack, &hand.log()).await.unwrap();
    assert_eq!((account.stored, dead(&link, 20).await.len()), (2, 20));
    let audited = "SELECT count(*) FROM audit.event WHERE action IN ('pause.set', 'pause.ended')";
    assert_eq!(link.count(audited).await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn nineteen_dead_letters_and_a_success_between_them_pause_nothing() {
    let stack = hurried().await;
    let (_worker, link) = (stack.worker().await.unwrap(), link(&stack).await);
    let hand = Hand::on(&stack).await.unwrap();
    for round in 1..=2 {
        garbage(&hand, ROUTINE, 19).await;
        counts(&link, DEAD, 19 * round).await;
        hand.put(ROUTINE, "P-1", &calm()).await.unwrap();
        counts(&link, STORED, round).await;
    }
    assert_eq!(link.count(PAUSES).await.unwrap(), 0);
    conservation(&stack, &hand.log()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_flood_of_garbage_few_are_set_aside_before_the_lane_pauses() {
    let stack = hurried().await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    garbage(&hand, ROUTINE, 600).await;
    let worker = stack.worker().await.unwrap();
    says(&worker, "lane is paused").await;
    // Twenty a chunk, after nineteen at most: one chunk is made while two others commit.
    let set_aside = link.count(DEAD).await.unwrap();
    assert!((20..80).contains(&set_aside), "{set_aside} were set aside");
    // What was set aside is acked, the rest lies where it lay.
    let left = i64::from(stack.vhost().ready(ROUTINE).await.unwrap());
    assert_eq!((left, left + set_aside), (600 - set_aside, 600));
    let pauses = "SELECT count(*) FROM ops.pause WHERE reason LIKE '20 dead letters of class unreadable%'";
    assert_eq!(link.count(pauses).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_among_successes_of_the_same_chunk_pause_nothing() {
    let stack = with(json!({"worker": {"linger": "1s"}})).await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    for _ in 0..30 {
        garbage(&hand, ROUTINE, 3).await;
        hand.put(ROUTINE, "P-1", &calm()).await.unwrap();
    }
    let _worker = stack.worker().await.unwrap();
    dead(&link, 90).await;
    counts(&link, STORED, 30).await;
    assert_eq!(link.count(PAUSES).await.unwrap(), 0);
    conservation(&stack, &hand.log()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_between_them_is_no_success() {
    // All in one chunk: 10, one that must wait, 10.
    let stack = with(json!({"worker": {"linger": "2s"}})).await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let mut waits = calm();
    waits["instrument"] = json!("phq-9|77.0");
    garbage(&hand, ROUTINE, 10).await;
    hand.put(ROUTINE, "P-1", &waits).await.unwrap();
    garbage(&hand, ROUTINE, 10).await;
    let worker = stack.worker().await.unwrap();
    says(&worker, "lane is paused").await;
    assert_eq!(dead(&link, 20).await.len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_waits_for_the_migrations_of_its_version_and_says_which() {
    let stack = hurried().await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    link.client.batch_execute("DELETE FROM ops.schema_history WHERE version = 6").await.unwrap();
    hand.put(ROUTINE, "P-1", &calm()).await.unwrap();
    let worker = stack.spawn("epro-worker", &[]).unwrap();
    until("the worker to say what is missing", BOUND, || async {
        let ready = worker.readyz().await.ok();
        Ok(ready.filter(|(status, why)| *status != 200 && why.contains("6 history: run `epro migrate`")))
    })
    .await
    .unwrap();
    assert_eq!(link.count(STORED).await.unwrap(), 0);
    let again = "INSERT INTO ops.schema_history SELECT 6, 'history', now()::text, '0'";
    link.client.batch_execute(again).await.unwrap();
    counts(&link, STORED, 1).await;
    conservation(&stack, &hand.log()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicts_do_not_pause() {
    let stack = hurried().await;
    let (_worker, link) = (stack.worker().await.unwrap(), link(&stack).await);
    let hand = Hand::on(&stack).await.unwrap();
    let first = calm();
    hand.put(ROUTINE, "P-1", &first).await.unwrap();
    counts(&link, STORED, 1).await;
    let conflicts: Vec<_> = (0..30)
        .map(|minute| {
            let mut other = first.clone();
            other["answered_at"] = json!(format!("2026-11-23T21:{minute:02}:11+08:00"));
            other
        })
        .collect();
    hand.put_all(ROUTINE, "P-1", &conflicts).await.unwrap();
    assert!(dead(&link, 30).await.iter().all(|letter| letter.class == "conflict"));
    hand.put(ROUTINE, "P-1", &calm()).await.unwrap();
    counts(&link, STORED, 2).await;
    assert_eq!(link.count(PAUSES).await.unwrap(), 0);
    conservation(&stack, &hand.log()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_urgent_lane_never_pauses_itself() {
    let stack = hurried().await;
    let (_worker, link) = (stack.worker().await.unwrap(), link(&stack).await);
    let hand = Hand::on(&stack).await.unwrap();
    garbage(&hand, URGENT, 45).await;
    dead(&link, 45).await;
    let submission = dangerous();
    hand.publish(&signalled(hand.letter(URGENT, "P-1", &submission).unwrap())).await.unwrap();
    hand.note(&submission);
    counts(&link, STORED, 1).await;
    assert_eq!(link.count(PAUSES).await.unwrap(), 0);
    conservation(&stack, &hand.log()).await.unwrap();
}

/// What a worker was handed out of the routine queue since it started.
async fn handed_out(worker: &Service) -> bool {
    let text = worker.metrics().await.unwrap();
    let lines = text.lines().filter(|line| line.starts_with("epro_deliveries_total"));
    lines.filter(|line| line.contains(ROUTINE)).any(|line| !line.ends_with(" 0"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_holds_across_kill_9_of_every_worker_and_before_the_first_delivery_after_it() {
    let stack = hurried().await;
    let workers = [stack.worker().await.unwrap(), stack.worker().await.unwrap()];
    let link = link(&stack).await;
    let hand = Hand::on(&stack).await.unwrap();
    stack.epro(&["pause", "submissions.routine", "--reason", "a look first"]).await.unwrap();
    for worker in &workers {
        says(worker, "lane is paused").await;
    }
    hand.put_all(ROUTINE, "P-1", &many(30)).await.unwrap();
    for mut worker in workers {
        worker.kill().await.unwrap();
    }
    // The next one can't read the pauses for a while: it must not begin without knowing them.
    link.client.batch_execute("BEGIN; LOCK TABLE ops.pause IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let next = stack.spawn("epro-worker", &[]).unwrap();
    let urgent = dangerous();
    hand.publish(&signalled(hand.letter(URGENT, "P-1", &urgent).unwrap())).await.unwrap();
    hand.note(&urgent);
    counts(&link, STORED, 1).await;
    assert_eq!(stack.vhost().ready(ROUTINE).await.unwrap(), 30);
    link.client.batch_execute("COMMIT").await.unwrap();
    another_lane_works(&stack, &hand).await;
    assert_eq!(stack.vhost().ready(ROUTINE).await.unwrap(), 30);
    assert!(!handed_out(&next).await);
    resume(&stack, "submissions.routine").await;
    counts(&link, STORED, 32).await;
    assert!(handed_out(&next).await);
    conservation(&stack, &hand.log()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_pauses_all_submission_lanes_by_the_name_of_their_kind() {
    let stack = hurried().await;
    let workers = [stack.worker().await.unwrap(), stack.worker().await.unwrap()];
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    stack.epro(&["pause", "submissions", "--reason", "maintenance"]).await.unwrap();
    until("three lanes of each to stand still", BOUND, || async {
        let stand_still = |worker: &Service| worker.output().matches("lane is paused").count() >= 3;
        Ok(workers.iter().all(stand_still).then_some(()))
    })
    .await
    .unwrap();
    for queue in [ROUTINE, DEFERRED, URGENT] {
        hand.put(queue, "P-1", &calm()).await.unwrap();
    }
    // Lane `dead` is none of them.
    hand.publish(&plain("", Uuid::now_v7(), SUBMISSION, b"garbage".to_vec()).through("epro.dead"))
        .await
        .unwrap();
    dead(&link, 1).await;
    assert_eq!(link.count(STORED).await.unwrap(), 0);
    resume(&stack, "submissions").await;
    counts(&link, STORED, 3).await;
    conservation(&stack, &hand.log()).await.unwrap();
}
