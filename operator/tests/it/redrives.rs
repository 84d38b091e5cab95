//! A redrive as a job: what it takes is fixed, each of it once, whatever ends it in between.

use std::time::Duration;

use epro_proving::database::Link;
use epro_proving::{Stack, until};

const ROUTINE: &str = "epro.submissions.routine";
const BOUND: Duration = Duration::from_secs(60);

async fn set_aside(link: &Link, count: usize, queue: &str) {
    let many = format!(
        "INSERT INTO ops.dead_letter \
         (lane, queue, message_id, content_sha256, class, body, wrapped, headers, times) \
         SELECT 'dead', '{queue}', gen_random_uuid(), sha256('x'), 'unreadable', '\\x00', false, '{{}}', 1 \
         FROM generate_series(1, {count})"
    );
    link.client.batch_execute(&many).await.unwrap();
}

async fn published(stack: &Stack, count: u32) {
    until("the messages to be published", BOUND, || async {
        Ok((stack.vhost().ready(ROUTINE).await? == count).then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redrive_that_died_and_was_cancelled_publishes_each_once_and_nothing_that_failed_later() {
    let stack = Stack::new().await.unwrap();
    let link = stack.database().connect().await.unwrap();
    set_aside(&link, 60, ROUTINE).await;
    let redrive = ["dead-letters", "redrive", "--all", "--yes", "--reason", "mended", "--rate", "100"];
    let (code, out, _) = stack.epro_with(&[("EPRO_FAULT", "redrive=abort:10")], &redrive).await.unwrap();
    assert_eq!(code, None, "it was to be ended by a signal: {out}");
    set_aside(&link, 7, ROUTINE).await;

    let resume = ["dead-letters", "redrive", "resume", "1"];
    let resumed = async { stack.epro_status(&resume).await.unwrap() };
    let marked = "SELECT count(*) FROM ops.redrive_item WHERE state = 'redriven'";
    let cancelled = async {
        until("some to be redriven", BOUND, || async { Ok((link.count(marked).await? >= 20).then_some(())) })
            .await
            .unwrap();
        stack.epro(&["dead-letters", "redrive", "cancel", "1"]).await.unwrap()
    };
    let ((code, out, error), cancelled) = tokio::join!(resumed, cancelled);
    assert!(cancelled.contains("redrive 1: cancelled"), "{cancelled}");
    assert_eq!(code, Some(3), "done in part: {out}{error}");
    assert!(error.contains("epro dead-letters redrive resume 1 goes on"), "{error}");

    let out = stack.epro(&resume).await.unwrap();
    assert!(out.contains("60 of 60 redriven"), "{out}");
    published(&stack, 61).await;
    let open = "SELECT count(*) FROM ops.dead_letter WHERE state = 'open'";
    assert_eq!(link.count(open).await.unwrap(), 7, "those that failed later");
    let audited = "SELECT count(*) FROM audit.event WHERE action IN ('redrive.created', 'redrive.resumed', \
                   'redrive.cancelled')";
    assert_eq!(link.count(audited).await.unwrap(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redrive_that_can_not_publish_some_says_which_and_ends_with_3() {
    let stack = Stack::new().await.unwrap();
    let link = stack.database().connect().await.unwrap();
    set_aside(&link, 2, ROUTINE).await;
    set_aside(&link, 1, "epro.his.GONE").await;
    let redrive = ["dead-letters", "redrive", "1", "2", "3", "--yes", "--reason", "mended"];
    let (code, out, _) = stack.epro_status(&redrive).await.unwrap();
    assert_eq!(code, Some(3), "{out}");
    assert!(out.contains("no queue is bound for epro.his.GONE"), "{out}");
    assert!(out.contains("2 of 3 redriven, 0 settled before, 1 failed"), "{out}");
    published(&stack, 2).await;
}
