//! `epro topology check` names what is missing.

use epro_proving::Stack;
use serde_json::json;

#[tokio::test]
async fn a_binding_that_is_missing_is_named_and_mended() {
    let stack = Stack::new().await.unwrap();
    let said = stack.epro(&["topology", "check"]).await.unwrap();
    assert_eq!(said.trim(), "topology: complete");
    let connection = stack.vhost().connect().await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let queue = "epro.submissions.routine";
    channel.queue_unbind(queue.into(), "epro.work".into(), queue.into(), Default::default()).await.unwrap();
    let (code, said, _) = stack.epro_status(&["topology", "check"]).await.unwrap();
    assert!(code == Some(1) && said.contains("binding of epro.submissions.routine to epro.work"), "{said}");
    stack.epro(&["topology", "apply"]).await.unwrap();
    stack.epro(&["topology", "check"]).await.unwrap();
}

#[tokio::test]
async fn what_was_declared_is_in_the_trail_by_its_names() {
    let stack = Stack::new().await.unwrap();
    let link = stack.database().connect().await.unwrap();
    let rows = "SELECT details ->> 'declared' FROM audit.event
                WHERE action = 'topology.applied' AND outcome = 'ok' AND actor LIKE 'operator:_%'";
    let row = link.client.query_one(rows, &[]).await.unwrap();
    let declared: Vec<String> = serde_json::from_str(row.get(0)).unwrap();
    for queue in ["epro.submissions.routine", "epro.his.H001"] {
        assert!(declared.iter().any(|name| name.contains(queue)), "{declared:?}");
    }
}

#[tokio::test]
async fn without_the_management_api_it_says_what_it_did_not_look_at() {
    let stack = Stack::new().await.unwrap();
    let mut config: serde_json::Value =
        serde_json::from_slice(&std::fs::read(stack.config()).unwrap()).unwrap();
    config["broker"]["management_url"] = json!(null);
    std::fs::write(stack.config(), config.to_string()).unwrap();
    let said = stack.epro(&["topology", "check"]).await.unwrap();
    assert!(said.contains("complete; bindings are not looked at"), "{said}");
}
