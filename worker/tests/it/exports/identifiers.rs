//! No identifier of a patient is in what leaves for analysts, or for who looks at spans.

use epro_proving::TraceReceiver;
use serde_json::json;
use uuid::Uuid;

use super::{Analyst, stack};
use crate::leaks::marks::{Marks, Places};
use crate::leaks::{DIARY, identifiers};
use crate::support::{STORED, calm, counts, link, write_instrument};

#[tokio::test(flavor = "multi_thread")]
async fn identifiers_of_all_18_classes_are_in_no_file_of_an_export_and_in_no_span() {
    let folder = std::env::temp_dir().join(format!("epro-identifiers-{}", Uuid::now_v7().simple()));
    write_instrument(&folder, "diary", DIARY);
    let receiver = TraceReceiver::start().await.unwrap();
    let change = json!({"instruments": {"directory": folder}, "traces": {"endpoint": receiver.endpoint(), "ratio": 1.0}});
    let stack = stack(change).await;
    let (mut marks, mut places) = (Marks::default(), Places::default());
    let mut submission = calm();
    submission["instrument"] = json!("diary|1.0");
    submission["answers"] = json!({"d-1": identifiers::plant(&mut marks), "d-2": 0});
    let _worker = stack.worker().await.unwrap();
    let ana = Analyst::of(&stack, "export").await;
    let answer = ana.client.submit(&marks.make("the subject"), &submission).await.unwrap();
    assert_eq!(answer.status, 202, "{}", answer.body);
    counts(&link(&stack).await, STORED, 1).await;
    for format in ["csv", "ndjson"] {
        let status = ana.is(&ana.export(json!({"format": format})).await, "done").await;
        assert_eq!(status["rows"], 1, "{status}");
        places.add(format!("the status of an export as {format}"), status.to_string());
        for (name, body) in ana.files(&status).await {
            places.add(name, body);
        }
    }
    receiver.named("POST /api/v1/epro/submit", 1).await.unwrap();
    receiver.named("process epro.submissions.routine", 1).await.unwrap();
    receiver.named("COMMIT", 1).await.unwrap();
    places.add("spans", receiver.bodies());

    // The search itself can find: what does belong there is found.
    assert!(!places.with("LA6568-5").is_empty() && places.with("epro.submissions.routine") == ["spans"]);
    let found: Vec<String> = marks.all().filter_map(|(what, mark)| places.found(what, mark)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
    std::fs::remove_dir_all(folder).unwrap();
}
