//! `epro dead-letters` with more of them than fit on a screen.

use epro_proving::Stack;
use serde_json::{Value, json};

const MANY: &str = "\
INSERT INTO ops.dead_letter (lane, queue, message_id, content_sha256, class, body, wrapped, headers, times)
SELECT 'dead', 'epro.submissions.routine', gen_random_uuid(), sha256('x'), 'unreadable', '\\x00', true, '{}', 1
FROM generate_series(1, 1203)";

#[tokio::test]
async fn a_redrive_of_all_means_all_up_to_its_limit() {
    let stack = Stack::new().await.unwrap();
    let link = stack.database().connect().await.unwrap();
    link.client.batch_execute(MANY).await.unwrap();
    let redrive = ["dead-letters", "redrive", "--all", "--dry-run", "--json"];
    let count = async |limit: &[&str]| {
        let line: Vec<&str> = redrive.iter().chain(limit).copied().collect();
        let said: Value = serde_json::from_str(&stack.epro(&line).await.unwrap()).unwrap();
        assert_eq!(
            (&said["would_redrive"][0]["class"], &said["redrive"]),
            (&json!("unreadable"), &json!(null))
        );
        said["would_redrive"][0]["count"].as_i64().unwrap()
    };
    assert_eq!(count(&[]).await, 1203);
    assert_eq!(count(&["--limit", "501"]).await, 501);
}

#[tokio::test]
async fn a_list_says_that_there_are_more() {
    let stack = Stack::new().await.unwrap();
    let link = stack.database().connect().await.unwrap();
    link.client.batch_execute(MANY).await.unwrap();
    let list = stack.epro(&["dead-letters", "list"]).await.unwrap();
    assert!(list.contains("these are the first 100; --limit shows more"), "{list}");
    let list = stack.epro(&["dead-letters", "list", "--limit", "2000"]).await.unwrap();
    assert!(!list.contains("--limit"), "{list}");
}
