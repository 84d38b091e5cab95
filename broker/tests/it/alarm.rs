use std::process::Command;

use anyhow::{Context, Result, ensure};
use epro_broker::{PublishError, PublisherState, topology::ALERTS};

use crate::stand::{NODE, Stand, message, next, text, topology};

/// Restores the watermark however the test ends.
struct Watermark(String);

impl Watermark {
    fn set(&self, fraction: &str) -> Result<()> {
        let line = format!("{} set_vm_memory_high_watermark {fraction}", self.0);
        let output = Command::new("sh").args(["-c", &line]).output()?;
        ensure!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }
}

impl Drop for Watermark {
    fn drop(&mut self) {
        let _ = self.set("0.4");
    }
}

#[tokio::test]
async fn during_a_memory_alarm_publishes_are_refused_consuming_goes_on_and_then_all_is_well() -> Result<()> {
    let ctl = std::env::var("EPRO_TEST_RABBITMQCTL").unwrap_or_default();
    if ctl.is_empty() {
        epro_proving::skipped("EPRO_TEST_RABBITMQCTL is not set, so no memory alarm can be raised");
        return Ok(());
    };
    let _alone = NODE.write().await;
    let stand = Stand::unguarded().await?;
    topology().apply(&stand.connection).await?;
    let publishing = stand.publisher().await?;
    publishing.publisher.publish(message(ALERTS, "before")).await?;

    let watermark = Watermark(ctl);
    watermark.set("0.00001")?;
    // The broker tells a publisher only once it publishes.
    let (during, mut sent) = (publishing.publisher.clone(), tokio::task::JoinSet::new());
    sent.spawn(async move { during.publish(message(ALERTS, "during")).await });
    publishing.becomes(PublisherState::Blocked).await?;
    let refused = publishing.publisher.publish(message(ALERTS, "refused")).await.err();
    assert_eq!(refused, Some(PublishError::Blocked));
    let mut consumer = stand.consumer(ALERTS).await?;
    let delivery = next(&mut consumer).await?;
    assert_eq!(text(&delivery), "before");
    delivery.ack(&crate::stand::Stored);
    consumer.settle().await?;

    watermark.set("0.4")?;
    publishing.becomes(PublisherState::Connected).await?;
    sent.join_next().await.context("a task")??.map(drop)?;
    assert_eq!(text(&next(&mut consumer).await?), "during");
    publishing.publisher.publish(message(ALERTS, "after")).await?;
    Ok(())
}
