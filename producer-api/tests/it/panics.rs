//! A panic ends one request, not the process.

use std::time::Duration;

use anyhow::{Context as _, Result};
use epro_proving::{Hand, Stack, until};
use uuid::Uuid;

use crate::support::{phq9, problem};

const COMMANDS: &str = "epro.commands";

#[tokio::test]
async fn a_panic_is_a_500_an_error_line_and_a_note_and_the_next_request_is_accepted() -> Result<()> {
    let stack = Stack::new().await?;
    let submission = phq9();
    let id: Uuid = submission["submission_id"].as_str().context("no id")?.parse()?;
    let fault = format!("submit:{id}=panic");
    let env = [("EPRO_FAULT", fault.as_str()), ("EPRO_FAULT_WORDS", "Quillon Testperson")];
    let mut api = stack.spawn("epro-producer-api", &env)?;
    api.ready().await?;
    let (client, hand) = (stack.client(&api)?, Hand::on(&stack).await?);

    let reply = client.submit("P-1", &submission).await?;
    assert_eq!((reply.status, problem(&reply)?.as_str()), (500, "panicked"));
    assert_eq!(client.submit("P-1", &phq9()).await?.status, 202);
    assert!(api.runs());
    let output = api.output();
    assert!(output.contains("a panic; its message is withheld"), "{output}");
    assert!(!output.contains("Quillon") && !reply.body.contains("Quillon"), "{output}");
    let metrics = client.at(&api.admin()).get_open("/metrics").await?.body;
    assert!(metrics.contains(r#"status="500",class="panicked""#), "{metrics}");
    until("a note for the audit trail", Duration::from_secs(30), || async {
        let notes = hand.lying(COMMANDS).await?;
        let notes = notes.iter().map(|note| hand.read(note)).collect::<Result<Vec<_>>>()?;
        Ok(notes.iter().any(|note| note["status"] == 500 && note["class"] == "panicked").then_some(()))
    })
    .await
}
