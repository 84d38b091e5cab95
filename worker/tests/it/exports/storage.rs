//! A storage that doesn't do what it should.

use serde_json::json;

use super::{Analyst, made, stack};

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_that_can_not_be_used_is_tried_again_and_the_export_is_made_once_it_can() {
    let stack = stack(json!({})).await;
    let _link = made(&stack, 10).await;
    let folder = stack.folder().join("exports");
    std::fs::write(&folder, "not a folder").unwrap();
    let _worker = stack.worker().await.unwrap();
    let ana = Analyst::of(&stack, "export").await;
    let place = ana.export(json!({})).await;
    let status = ana.is(&place, "failed").await;
    let error = status["error"].as_str().unwrap();
    assert!(error.starts_with("the object storage can't be used"), "{error}");
    assert!(!error.contains("exports/"), "{error}");
    assert_eq!(status["files"], json!([]));
    std::fs::remove_file(&folder).unwrap();
    let status = ana.is(&ana.export(json!({})).await, "done").await;
    assert_eq!(ana.lines(&status).await.len(), 10);
}
