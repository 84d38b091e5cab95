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

#[tokio::test]
async fn an_empty_filter_is_refused_without_all_by_every_act() {
    let stack = Stack::new().await.unwrap();
    let link = stack.database().connect().await.unwrap();
    link.client.batch_execute(MANY).await.unwrap();
    for act in [
        &["dead-letters", "redrive", "--dry-run"][..],
        &["dead-letters", "redrive", "--yes", "--reason", "x"],
        &["dead-letters", "discard", "--yes", "--reason", "x"],
        &["reconcile", "--yes", "--reason", "x"],
    ] {
        let (code, _, error) = stack.epro_status(act).await.unwrap();
        assert!(code == Some(1) && error.contains("say --all if you mean it"), "{act:?}: {error}");
    }
    let (code, ..) =
        stack.epro_status(&["dead-letters", "discard", "1", "--yes", "--reason", ""]).await.unwrap();
    assert_eq!(code, Some(2), "a reason says something");
    let open = "SELECT count(*) FROM ops.dead_letter WHERE state = 'open'";
    assert_eq!(link.count(open).await.unwrap(), 1203);
    let said = stack.epro(&["dead-letters", "discard", "--all", "--yes", "--reason", "x"]).await.unwrap();
    assert_eq!(said.trim(), "1203 discarded");
}

#[tokio::test]
async fn a_discard_says_by_its_exit_code_whether_all_some_or_none_were_given_up() {
    let stack = Stack::new().await.unwrap();
    let link = stack.database().connect().await.unwrap();
    link.client.batch_execute(MANY).await.unwrap();
    for (ids, code, discarded, not_open) in
        [(&["1"][..], 0, 1, json!([])), (&["1", "2"], 3, 1, json!([1])), (&["1", "2"], 1, 0, json!([1, 2]))]
    {
        let line = [&["dead-letters", "discard"][..], ids, &["--yes", "--reason", "x", "--json"]].concat();
        let (ended, said, _) = stack.epro_status(&line).await.unwrap();
        assert_eq!(ended, Some(code), "{ids:?}: {said}");
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(said, json!({"discarded": discarded, "not_open": not_open}), "{ids:?}");
    }
}
