//! An export that is interrupted goes on, and no row is missing or there twice.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Analyst, made, no_more_open, stack};
use crate::support::BOUND;

const ROWS: usize = 20_000;

async fn each_row_once(ana: &Analyst, status: &Value) {
    let lines = ana.lines(status).await;
    let ids: BTreeSet<&str> = lines.iter().map(|line| line.split(',').nth(1).unwrap()).collect();
    assert_eq!((lines.len(), ids.len()), (ROWS, ROWS));
    assert_eq!(status["rows"], json!(ROWS), "{status}");
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
        each_row_once(&ana, &status).await;
        assert_eq!(link.count("SELECT run::bigint FROM ops.export").await.unwrap(), 2);
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
