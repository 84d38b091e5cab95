//! Rows that believe in messages that are gone: their queue was lost, or emptied by hand.

use epro_broker::topology;
use epro_store::Store;
use time::{Duration, OffsetDateTime};

use super::Finding;
use crate::outside::Outside;
use crate::queues;

/// A message that was published as long ago is in its queue, or waits to come back to it.
const LONG: Duration = Duration::minutes(10);

pub(super) async fn look(outside: &Outside<'_>, store: &Store) -> Vec<Finding> {
    // Who doesn't answer is named by others.
    found(outside, store).await.unwrap_or_default()
}

async fn found(outside: &Outside<'_>, store: &Store) -> anyhow::Result<Vec<Finding>> {
    let counted = queues::counted(outside).await?;
    let believing = store.believing(OffsetDateTime::now_utc() - LONG).await?;
    let waits = counted.iter().filter(|(queue, _)| queue.starts_with("epro.wait."));
    let waiting: u64 = waits.filter_map(|(_, numbers)| numbers.as_ref()?.messages()).sum();
    // Without the management API nobody knows what workers have in hand.
    let in_hand = outside.config.broker.management_url.is_some();
    let mut findings = Vec::new();
    // An alert's message is only a wake-up: its row stays `queued` until somebody has it in hand, and whoever isn't
    // told is told from the row. Rows without a message are no sign of a lost queue there.
    let of_sites = outside.hospitals().into_iter().map(|site| {
        let rows = believing.deliveries.iter().find(|(at, _)| *at == site).map_or(0, |(_, count)| *count);
        (topology::his(&site), rows)
    });
    for (queue, rows) in of_sites.chain([(topology::RISK.to_owned(), believing.risks)]) {
        match counted.iter().find(|(name, _)| *name == queue).and_then(|(_, numbers)| *numbers) {
            None if queue != topology::RISK => findings.push(missing(&queue)),
            Some(numbers) if in_hand => findings.extend(
                numbers
                    .messages()
                    .filter(|messages| rows > i64::try_from(messages + waiting).unwrap_or(i64::MAX))
                    .map(|messages| lost(&queue, rows, messages)),
            ),
            _ => {}
        }
    }
    Ok(findings)
}

fn missing(queue: &str) -> Finding {
    Finding::new(
        format!("the queue {queue} is missing"),
        "what is for this hospital is kept as unsent, or was lost with the queue",
        &format!("epro topology apply; then epro reconcile --queue {queue}"),
    )
}

fn lost(queue: &str, rows: i64, messages: u64) -> Finding {
    Finding::new(
        format!(
            "{rows} rows have believed for ten minutes that their message is in {queue}, which has {messages}"
        ),
        "nobody works on them: the queue was lost, or emptied by hand",
        &format!("epro reconcile --queue {queue} --yes --reason …: the relay publishes them again"),
    )
}
