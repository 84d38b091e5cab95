//! A seal key that reaches the worker later than what lies under it.

use std::time::Duration;

use epro_proving::until;
use serde_json::{Value, json};

use super::{Analyst, stack};
use crate::support::{BOUND, STORED, another_worker, calm, counts, link};

/// A key of 32 bytes, as a file holds it.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// What the status says meanwhile.
const WAITS: &str = "it waits for a seal key that the worker doesn't have yet";
/// More runs than an export that is charged for them has.
const MORE: i64 = 8;
const RUNS: &str = "SELECT COALESCE(max(run), 0)::bigint FROM ops.export";
const UNCHARGED: &str =
    "SELECT count(*) FROM ops.export WHERE state IN ('queued', 'running') AND attempts = 0";

#[tokio::test(flavor = "multi_thread")]
async fn an_export_waits_at_no_charge_for_a_key_that_comes_late_and_is_then_made() {
    let stack = stack(json!({})).await;
    let file = stack.folder().join("keys/seal-k2");
    std::fs::write(&file, KEY).unwrap();
    let before = std::fs::read(stack.config()).unwrap();
    let mut config: Value = serde_json::from_slice(&before).unwrap();
    let without = config["keys"].clone();
    config["keys"]["seal"]["files"]["k2"] = json!(file);
    config["keys"]["seal"]["current"] = json!("k2");
    std::fs::write(stack.config(), config.to_string()).unwrap();
    let (mut storing, link) = (stack.worker().await.unwrap(), link(&stack).await);
    let ahead = Analyst::of(&stack, "export export:identified").await;
    let answer = ahead.client.submit("P-Quillon", &calm()).await.unwrap();
    assert_eq!(answer.status, 202, "{}", answer.body);
    counts(&link, STORED, 1).await;
    storing.drain(Duration::from_secs(25)).await.unwrap();

    // The request itself is under the key that everybody has.
    std::fs::write(stack.config(), before).unwrap();
    let ana = Analyst::of(&stack, "export export:identified").await;
    let mut late = another_worker(&stack, "late", |config| config["keys"] = without);
    late.ready().await.unwrap();
    let place = ana.export(json!({"identified": true})).await;
    until("more tries than are charged", BOUND, || async {
        Ok((link.count(RUNS).await? > MORE).then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(link.count(UNCHARGED).await.unwrap(), 1);
    let status = ana.is(&place, "queued").await;
    assert_eq!(status["error"], WAITS, "{status}");

    // The key comes, and no process is started again.
    std::fs::write(stack.folder().join("late.yaml"), config.to_string()).unwrap();
    let status = ana.is(&place, "done").await;
    assert_eq!(status["error"], Value::Null, "{status}");
    let lines = ana.lines(&status).await;
    assert!(lines.len() == 1 && lines[0].contains("P-Quillon"), "{lines:?}");
}
