//! What a command shows goes wherever its user sends it.

use std::process::Stdio;

use epro_proving::Stack;
use epro_proving::service::binary;
use serde_json::Value;

#[tokio::test]
async fn a_pipe_that_is_closed_is_the_end_and_no_panic() {
    let stack = Stack::new().await.unwrap();
    for line in [&["config", "check"][..], &["dead-letters", "list"], &["topology", "check", "--json"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ran = tokio::process::Command::new(binary("epro").unwrap())
            .arg("--config")
            .arg(stack.config())
            .args(line)
            .stdout(Stdio::from(writer))
            .output()
            .await
            .unwrap();
        assert_eq!(
            (ran.status.code(), String::from_utf8_lossy(&ran.stderr).as_ref()),
            (Some(0), ""),
            "{line:?}"
        );
    }
}

#[tokio::test]
async fn a_pause_is_told_to_programs_too() {
    let stack = Stack::new().await.unwrap();
    let said = async |command: &str| -> Value {
        let line = [command, "submissions.routine", "--reason", "maintenance", "--json"];
        serde_json::from_str(&stack.epro(&line).await.unwrap()).unwrap()
    };
    assert_eq!(said("pause").await["changed"], true);
    assert_eq!(said("pause").await["outcome"], "was paused already");
    assert_eq!(said("resume").await["changed"], true);
    assert_eq!(said("resume").await["outcome"], "was not paused");
}
