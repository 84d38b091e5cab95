//! Latency at a fixed rate, each from when its turn was: to the 202, or the bare confirm, and until it is stored.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use super::ground::Ground;
use super::measure::percentile;
use super::rounds::{Figures, RATE, Supplies};
use super::stored::Watch;
use super::{bare_loop, load, messages, publisher};

/// Turns of the first second: as in [`load::open`], they are for warming up.
const WARM: usize = RATE as usize;

/// Requests at the API, and a worker behind it.
pub(super) async fn ours(ground: &Ground, supplies: &Supplies, figures: &mut Figures) -> Result<()> {
    let watch = Watch::begin(ground).await?;
    let mut worker = ground.stack.worker().await?;
    let api = ground.stack.api().await?;
    let mut went = load::open(api.listen(), &supplies.open, RATE).await?;
    ground.stored(supplies.open.len()).await?;
    drop(api);
    ground.finish(&mut worker).await?;
    let ids = supplies.open.iter().map(|request| load::id(request)).collect::<Result<Vec<_>>>()?;
    let mut stored = since_turns(went.start, &ids, &watch.end(ground).await?)?;
    note(figures, ["open p50", "open p99", "open p99.9"], &mut went.latencies)?;
    note(figures, ["stored p50", "stored p99", "stored p99.9"], &mut stored)?;
    ground.empty(supplies.plain.site).await
}

/// A bare publisher, and the bare loop behind it.
pub(super) async fn bare(ground: &Ground, supplies: &Supplies, figures: &mut Figures) -> Result<()> {
    let (plain, amqp) = (&supplies.plain, ground.amqp());
    let some = Arc::new(plain.messages[..supplies.size.open].to_vec());
    let mut ids = Vec::with_capacity(some.len());
    for message in some.iter() {
        let row = plain.rows.get(&messages::id(&message.properties)?).context("a message without rows")?;
        ids.push(row.submission_id);
    }
    let watch = Watch::begin(ground).await?;
    let mut publishing = JoinSet::new();
    publishing.spawn(async move { publisher::open(&amqp, &some, RATE).await });
    bare_loop::run(&ground.shape(plain), &plain.rows, ids.len()).await?;
    let mut went = publishing.join_next().await.context("nobody publishes")???;
    ground.stored(ids.len()).await?;
    let mut stored = since_turns(went.start, &ids, &watch.end(ground).await?)?;
    note(figures, ["bare open p50", "bare open p99", "bare open p99.9"], &mut went.latencies)?;
    note(figures, ["bare stored p50", "bare stored p99", "bare stored p99.9"], &mut stored)?;
    ground.empty(plain.site).await
}

/// How long after its turn each of them was stored, in the order of their turns, from the second second on.
fn since_turns(start: Instant, ids: &[Uuid], stored: &HashMap<Uuid, Instant>) -> Result<Vec<Duration>> {
    let mut latencies = Vec::with_capacity(ids.len());
    for (at, id) in ids.iter().enumerate().skip(WARM) {
        let turn = start + Duration::from_secs_f64(at as f64 / RATE);
        latencies.push(stored.get(id).context("a submission that was never stored")?.duration_since(turn));
    }
    Ok(latencies)
}

fn note(figures: &mut Figures, names: [&'static str; 3], latencies: &mut [Duration]) -> Result<()> {
    for (name, part) in names.into_iter().zip([0.5, 0.99, 0.999]) {
        figures.note(name, percentile(latencies, part)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_counts_from_its_own_turn_and_nothing_may_be_missing() {
        let start = Instant::now();
        let mut ids = vec![Uuid::nil(); WARM];
        ids.extend([Uuid::from_u128(1), Uuid::from_u128(2)]);
        let warm = start + Duration::from_secs(1);
        let both = HashMap::from([
            (ids[WARM], warm + Duration::from_millis(4)),
            (ids[WARM + 1], warm + Duration::from_millis(7)),
        ]);
        let latencies = since_turns(start, &ids, &both).unwrap();
        let turn = Duration::from_secs_f64(1.0 / RATE);
        assert_eq!(latencies, [Duration::from_millis(4), Duration::from_millis(7) - turn]);
        assert!(since_turns(start, &ids, &HashMap::from([(ids[WARM], warm)])).is_err());
    }
}
