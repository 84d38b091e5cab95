//! A seal key that becomes the current one while the console runs.

use std::time::Duration;

use epro_proving::{Stack, until};
use epro_schemas::key::SecretKey;
use epro_schemas::kind;
use epro_schemas::seal::KeyRing;
use serde_json::{Value, json};
use uuid::Uuid;

use super::visitor::Visitor;

const BOUND: Duration = Duration::from_secs(60);
/// A key of 32 bytes, as a file holds it.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const SAID: &str = "what nobody could read";

/// From now on k2 seals, in the configuration that runs.
fn rotate(stack: &Stack) {
    let file = stack.folder().join("keys/seal-k2");
    std::fs::write(&file, KEY).unwrap();
    let mut config: Value = serde_json::from_slice(&std::fs::read(stack.config()).unwrap()).unwrap();
    config["keys"]["seal"]["files"]["k2"] = json!(file);
    config["keys"]["seal"]["current"] = json!("k2");
    std::fs::write(stack.config(), config.to_string()).unwrap();
}

/// A dead letter as a worker sets it aside once it seals with k2.
async fn set_aside(stack: &Stack) {
    let ring = KeyRing::new("k2", vec![("k2".into(), SecretKey::from_base64(KEY).unwrap())]).unwrap();
    let id = Uuid::now_v7();
    let body = ring.seal(kind::DEAD_LETTER, id, SAID.as_bytes()).unwrap();
    let body: String = body.iter().map(|byte| format!("{byte:02x}")).collect();
    let letter = format!(
        "INSERT INTO ops.dead_letter \
         (lane, queue, message_id, content_sha256, class, body, wrapped, headers, times) \
         VALUES ('dead', 'epro.submissions.routine', '{id}', sha256('x'), 'unreadable', '\\x{body}', true, '{{}}', 1)"
    );
    stack.database().connect().await.unwrap().client.batch_execute(&letter).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_set_aside_under_a_new_key_is_revealed_and_redriven_without_a_restart() {
    let stack = Stack::new().await.unwrap();
    let console = stack.console().await.unwrap();
    let ann = Visitor::signed_in(&stack, &console, "ann", &["operator", "steward"]).await;
    set_aside(&stack).await;
    let reveal = async || ann.post("/dead-letters/1/reveal", &[("reason", "a look")]).await;
    let closed = reveal().await;
    assert!(closed.status == 200 && closed.body.contains("closed"), "{}", closed.body);
    assert!(!closed.body.contains(SAID), "{}", closed.body);

    rotate(&stack);
    until("the new key to be in force", BOUND, || async {
        Ok(reveal().await.body.contains(SAID).then_some(()))
    })
    .await
    .unwrap();
    let made = ann.post("/redrives", &[("id", "1"), ("reason", "it is mended")]).await;
    assert_eq!((made.status, made.header("location")), (303, "/redrives/1"), "{}", made.body);
    until("the message to be published", BOUND, || async {
        Ok((stack.vhost().ready("epro.submissions.routine").await? == 1).then_some(()))
    })
    .await
    .unwrap();
    let link = stack.database().connect().await.unwrap();
    let redriven = "SELECT count(*) FROM ops.redrive_item WHERE state = 'redriven'";
    until("it to be marked", BOUND, || async { Ok((link.count(redriven).await? == 1).then_some(())) })
        .await
        .unwrap();
}
