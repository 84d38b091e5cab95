//! An export that is interrupted goes on, and no row is missing or there twice.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Analyst, made, no_more_open, stack};
use crate::support::BOUND;

const ROWS: usize = 20_000;

async fn each_row_once(ana: &Analyst, status: &Value, rows: usize) {
    let lines = ana.lines(status).await;
    let ids: BTreeSet<&str> = lines.iter().map(|line| line.split(',').nth(1).unwrap()).collect();
    assert_eq!((lines.len(), ids.len()), (rows, rows));
    assert_eq!(status["rows"], json!(rows), "{status}");
    // In the order of ids, a row that keeps years only would have neighbours that say its time.
    assert!(lines.iter().map(|line| line.split(',').nth(2)).is_sorted(), "patient by patient");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_or_after_a_file_is_noted_another_replica_goes_on_behind_the_last_one() {
    for fault in ["beforecommit=abort", "aftercommit=abort"] {
        let stack = stack(json!({})).await;
        let link = made(&stack, ROWS).await;
        let ana = Analyst::of(&stack, "export").await;
        let place = ana.export(json!({})).await;
        let mut broken = stack.spawn("epro-worker", &[("EPRO_FAULT", fault)]).unwrap();
        broken.ended(BOUND).await.unwrap();
        let noted = link.count("SELECT count(*) FROM ops.export_part").await.unwrap();
        assert_eq!(noted, i64::from(fault.starts_with("after")), "{fault}");
        // Nothing is shown of what is half there.
        assert_eq!(ana.is(&place, "running").await["files"], json!([]));
        let _sound = stack.worker().await.unwrap();
        let status = ana.is(&place, "done").await;
        each_row_once(&ana, &status, ROWS).await;
        assert_eq!(link.count("SELECT run::bigint FROM ops.export").await.unwrap(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_with_9_in_the_middle_of_a_file_again_and_again_it_holds_each_row_once() {
    let stack = stack(json!({})).await;
    let rows = 3 * ROWS;
    let link = made(&stack, rows).await;
    let ana = Analyst::of(&stack, "export").await;
    let place = ana.export(json!({})).await;
    for run in 1..=2 {
        let mut worker = stack.worker().await.unwrap();
        // It has begun, and one file more is there than the runs before have left.
        let more = format!(
            "SELECT count(*) FROM ops.export WHERE run = {run}
             AND (SELECT count(*) FROM ops.export_part WHERE part > 0) >= {run}"
        );
        super::counts(&link, &more, 1).await;
        worker.kill().await.unwrap();
        assert_eq!(ana.is(&place, "running").await["files"], json!([]));
    }
    let _sound = stack.worker().await.unwrap();
    let status = ana.is(&place, "done").await;
    each_row_once(&ana, &status, rows).await;
    assert_eq!(link.count("SELECT run::bigint FROM ops.export").await.unwrap(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_slot_was_given_and_never_heard_of_is_made_and_what_was_cancelled_meanwhile_is_ended() {
    let stack = stack(json!({})).await;
    let link = made(&stack, 10).await;
    let _worker = stack.worker().await.unwrap();
    let ana = Analyst::of(&stack, "export").await;
    ana.is(&ana.export(json!({})).await, "done").await;
    // As a claim leaves it whose answer is lost, and a wish that comes between the last look and the last word.
    for (state, end) in [("running", "done"), ("cancelling", "cancelled")] {
        let left = format!(
            "INSERT INTO ops.export (export_id, study_ids, site_id, instruments, period_from, period_to, format, identified,
                snapshot, actor, requested_at, state, run, slot, owner, term)
             SELECT gen_random_uuid(), study_ids, site_id, instruments, period_from, period_to, format, identified,
                snapshot, e.actor, now(), '{state}', 1, l.key, l.owner, l.term
             FROM ops.lease l, (SELECT * FROM ops.export LIMIT 1) e WHERE l.kind = 'export' LIMIT 1
             RETURNING export_id::text"
        );
        let id: String = link.client.query_one(&left, &[]).await.unwrap().get(0);
        ana.is(&format!("/api/v1/exports/{id}"), end).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_leaves_hands_its_export_on_at_once() {
    let stack = stack(json!({})).await;
    let link = made(&stack, ROWS).await;
    let ana = Analyst::of(&stack, "export").await;
    let place = ana.export(json!({"format": "ndjson"})).await;
    let mut first = stack.worker().await.unwrap();
    super::counts(&link, "SELECT LEAST(count(*), 1) FROM ops.export_part", 1).await;
    assert_eq!(first.drain(BOUND).await.unwrap(), 0);
    let _second = stack.worker().await.unwrap();
    let status = ana.is(&place, "done").await;
    assert_eq!(status["rows"], json!(ROWS), "{status}");
    let lines: usize =
        ana.files(&status).await.iter().map(|(_, body)| body.split(|b| *b == b'\n').count() - 1).sum();
    assert_eq!(lines, ROWS);
    no_more_open(&link).await;
}
