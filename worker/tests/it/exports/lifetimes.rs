//! Slots, cancelling, the end of files.

use std::time::{Duration, Instant};

use epro_proving::until;
use serde_json::json;

use super::{Analyst, QUEUE, made, no_more_open, nothing_left, stack};
use crate::support::{BOUND, counts};

const MANY: usize = 150_000;

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_in_the_middle_it_stops_within_two_seconds_and_leaves_no_file() {
    let stack = stack(json!({})).await;
    let link = made(&stack, MANY).await;
    let _worker = stack.worker().await.unwrap();
    let ana = Analyst::of(&stack, "export").await;
    let place = ana.export(json!({"format": "ndjson"})).await;
    counts(&link, "SELECT LEAST(count(*), 1) FROM ops.export_part", 1).await;
    // The message is acked while the export runs, however long that takes.
    assert_eq!(ana.is(&place, "running").await["files"], json!([]));
    until("the message to be acked", BOUND, || async {
        Ok((stack.vhost().messages(QUEUE).await? == 0).then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(link.count("SELECT count(*) FROM ops.export WHERE state = 'running'").await.unwrap(), 1);
    let mut took = vec![cancel(&ana, &place).await];
    assert_eq!(ana.is(&place, "cancelled").await["files"], json!([]));
    nothing_left(&stack);
    assert_eq!(link.count("SELECT count(*) FROM ops.export_part").await.unwrap(), 0);
    assert_eq!(ana.call("DELETE", &place, &[]).await.status, 202, "again does no harm");
    let working = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%research.submission s%' \
                   AND datname = current_database() AND pid <> pg_backend_pid()";
    counts(&link, working, 0).await;
    // What else runs here may hold one of them up.
    let soon = Duration::from_secs(2);
    while took.last().is_some_and(|took| *took > soon) && took.len() < 3 {
        let next = ana.export(json!({"format": "ndjson"})).await;
        counts(&link, "SELECT LEAST(count(*), 1) FROM ops.export_part", 1).await;
        took.push(cancel(&ana, &next).await);
    }
    assert!(took.last().is_some_and(|took| *took <= soon), "{took:?}");
}

/// From asking for its end until whoever asked is told that it has come: its files are gone by then.
async fn cancel(ana: &Analyst, place: &str) -> Duration {
    let asked = Instant::now();
    assert_eq!(ana.call("DELETE", place, &[]).await.status, 202);
    ana.is(place, "cancelled").await;
    asked.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_waits_for_a_slot_is_cancelled_without_having_begun() {
    let stack = stack(json!({"exports": {"slots": 1, "file_mib": 1}})).await;
    let link = made(&stack, MANY).await;
    let _worker = stack.worker().await.unwrap();
    let ana = Analyst::of(&stack, "export").await;
    let first = ana.export(json!({"format": "ndjson"})).await;
    ana.is(&first, "running").await;
    let second = ana.export(json!({})).await;
    ana.is(&second, "queued").await;
    ana.call("DELETE", &second, &[]).await;
    assert!(ana.is(&second, "cancelled").await["started_at"].is_null());
    ana.call("DELETE", &first, &[]).await;
    ana.is(&first, "cancelled").await;
    no_more_open(&link).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_hold_a_slot_each_and_make_what_is_asked_for() {
    let stack = stack(json!({})).await;
    let link = made(&stack, 5000).await;
    let (_one, _two) = (stack.worker().await.unwrap(), stack.worker().await.unwrap());
    let owners =
        "SELECT count(DISTINCT owner) FROM ops.lease WHERE kind = 'export' AND until > clock_timestamp()";
    counts(&link, owners, 2).await;
    let ana = Analyst::of(&stack, "export").await;
    let mut places = Vec::new();
    for _ in 0..4 {
        places.push(ana.export(json!({})).await);
    }
    for place in places {
        let status = ana.is(&place, "done").await;
        assert_eq!(ana.lines(&status).await.len(), 5000);
    }
    assert_eq!(link.count("SELECT max(run)::bigint FROM ops.export").await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_when_their_time_is_over() {
    let stack = stack(json!({"exports": {"keep": "20s"}})).await;
    let link = made(&stack, 10).await;
    let _worker = stack.worker().await.unwrap();
    let ana = Analyst::of(&stack, "export").await;
    let place = ana.export(json!({})).await;
    let status = ana.is(&place, "expired").await;
    assert_eq!(status["files"], json!([]));
    nothing_left(&stack);
    assert_eq!(ana.call("GET", &format!("{place}/files/manifest.json"), &[]).await.status, 404);
    counts(&link, "SELECT count(*) FROM audit.event WHERE action = 'export.expired'", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_lists_exports_and_watches_one_to_its_end() {
    let stack = stack(json!({})).await;
    let _link = made(&stack, 3000).await;
    let _worker = stack.worker().await.unwrap();
    let ana = Analyst::of(&stack, "export").await;
    let place = ana.export(json!({})).await;
    ana.is(&place, "done").await;
    let id = place.rsplit('/').next().unwrap();
    let said = stack.epro(&["exports", "watch", id]).await.unwrap();
    assert!(said.contains("100 % done: 3000 of 3000 rows"), "{said}");
    let listed = stack.epro(&["--json", "exports", "list"]).await.unwrap();
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((&listed[0]["export_id"], &listed[0]["state"]), (&json!(id), &json!("done")));
}
