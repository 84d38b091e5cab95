//! Who got which answer, compared with what is really in the queues.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use anyhow::{Result, ensure};
use bytes::Bytes;
use epro_broker::{
    Consumer, Headers, Message, PublishError, Publisher,
    topology::{ALERTS, RISK},
};
use serde_json::json;
use tokio::{sync::watch, task::JoinSet};
use uuid::Uuid;

use crate::stand::{Publishing, SOON, Stand, Stored, body_of};

const TOTAL: u64 = 200_000;
const NOWHERE: &str = "epro.his.NOWHERE";

/// How many of a hundred go where.
#[derive(Clone, Copy)]
struct Mix {
    callers: u64,
    unroutable: u64,
    to_the_full_queue: u64,
}

const MIXES: [Mix; 4] = [
    Mix { callers: 64, unroutable: 1, to_the_full_queue: 2 },
    Mix { callers: 128, unroutable: 30, to_the_full_queue: 30 },
    Mix { callers: 96, unroutable: 50, to_the_full_queue: 5 },
    Mix { callers: 128, unroutable: 2, to_the_full_queue: 60 },
];

type Outcome = (u64, &'static str, Result<(), PublishError>);

fn destination(number: u64, mix: Mix) -> &'static str {
    // Scattered, not in turn.
    let dice = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    match dice % 100 {
        d if d < mix.unroutable => NOWHERE,
        d if d < mix.unroutable + mix.to_the_full_queue => RISK,
        _ => ALERTS,
    }
}

async fn publish_all(publisher: &Publisher, next: &Arc<AtomicU64>, end: u64, mix: Mix) -> Vec<Outcome> {
    let mut callers = JoinSet::new();
    for _ in 0..mix.callers {
        let (publisher, next) = (publisher.clone(), next.clone());
        callers.spawn(async move {
            let mut outcomes = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= end {
                    return outcomes;
                }
                let queue = destination(number, mix);
                // The message id says nothing about the publish: some share one on purpose.
                let id = Uuid::from_u128(u128::from(number / 3));
                let body = body_of(id, Bytes::copy_from_slice(&number.to_be_bytes()));
                let message = Message::work(queue, Headers::default(), body);
                outcomes.push((number, queue, publisher.publish(message).await.map(drop)));
            }
        });
    }
    callers.join_all().await.into_iter().flatten().collect()
}

/// Takes what is in the queue, until told how much there must be and that is there; or until nothing more
/// comes, which the comparison then tells.
async fn collect(mut consumer: Consumer, mut stop: watch::Receiver<u64>) -> Result<HashMap<u64, u32>> {
    let mut found: HashMap<u64, u32> = HashMap::new();
    loop {
        let wanted = *stop.borrow_and_update();
        if found.len() as u64 >= wanted {
            consumer.leave().await;
            return Ok(found);
        }
        tokio::select! {
            delivery = consumer.next() => {
                let Some(delivery) = delivery else { anyhow::bail!("the stream ended") };
                let number = u64::from_be_bytes(delivery.body().as_ref().try_into()?);
                *found.entry(number).or_default() += 1;
                delivery.ack(&Stored);
            }
            changed = stop.changed() => changed?,
            () = tokio::time::sleep(SOON), if wanted != u64::MAX => {
                consumer.leave().await;
                return Ok(found);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn among_200_000_publishes_with_nacks_and_returns_nobody_gets_a_wrong_answer() -> Result<()> {
    let stand = Stand::new().await?;
    // Full most of the time: takes a few, refuses the rest, as long as it is being emptied.
    stand.vhost.policy("small", "^epro\\.risk$", json!({"max-length": 50})).await?;
    let publishing = Publishing::start(stand.url()?, 128, SOON).await?;
    let (stop, stopped) = watch::channel(u64::MAX);
    let slow = Consumer::subscribe(&stand.connection, RISK, 20).await?;
    let mut collecting = JoinSet::new();
    collecting.spawn(collect(slow, stopped));

    let mut outcomes = Vec::new();
    let next = Arc::new(AtomicU64::new(0));
    for (index, mix) in MIXES.into_iter().enumerate() {
        let end = TOTAL * (index as u64 + 1) / MIXES.len() as u64;
        next.store(outcomes.len() as u64, Ordering::Relaxed);
        let started = Instant::now();
        let of_mix = publish_all(&publishing.publisher, &next, end, mix).await;
        let rate = of_mix.len() as f64 / started.elapsed().as_secs_f64();
        println!("{} callers, {} % unroutable: {rate:.0}/s", mix.callers, mix.unroutable);
        outcomes.extend(of_mix);
    }
    ensure!(outcomes.len() as u64 == TOTAL);

    let count = |queue| outcomes.iter().filter(|(_, to, answer)| *to == queue && answer.is_ok()).count();
    stop.send(count(RISK) as u64)?;
    let mut stored = collecting.join_next().await.transpose()?.transpose()?.unwrap_or_default();
    let (_keep, all) = watch::channel(count(ALERTS) as u64);
    stored.extend(collect(Consumer::subscribe(&stand.connection, ALERTS, 1000).await?, all).await?);
    // Nothing more than what was confirmed: a stored one answered as failed would be left over.
    let left = [stand.ready(ALERTS).await?, stand.ready(RISK).await?];
    compare(&outcomes, &stored, left)
}

fn compare(outcomes: &[Outcome], stored: &HashMap<u64, u32>, left: [u32; 2]) -> Result<()> {
    let mut wrong = Vec::new();
    let mut kinds: HashMap<(&str, &str), u64> = HashMap::new();
    for (number, queue, answer) in outcomes {
        let there = stored.get(number).copied().unwrap_or(0);
        let kind = match (answer, *queue) {
            (Ok(()), ALERTS | RISK) if there == 1 => "confirmed",
            (Err(PublishError::Nacked), RISK) if there == 0 => "nacked",
            (Err(PublishError::Returned { routing_key }), NOWHERE)
                if routing_key == NOWHERE && there == 0 =>
            {
                "returned"
            }
            _ => {
                wrong.push(format!("{number} to {queue}: {answer:?}, {there} times in the queue"));
                "wrong"
            }
        };
        *kinds.entry((queue, kind)).or_default() += 1;
    }
    println!("{kinds:?}; left in the queues: {left:?}");
    ensure!(wrong.is_empty(), "{} wrong answers, such as {:?}", wrong.len(), &wrong[..wrong.len().min(5)]);
    ensure!(left == [0, 0], "stored, but answered as failed: {left:?}");
    let seen: HashSet<_> = kinds.keys().map(|(_, kind)| *kind).collect();
    ensure!(seen == HashSet::from(["confirmed", "nacked", "returned"]), "the mix had all of them");
    ensure!(kinds[&(RISK, "nacked")] > 5_000, "the full queue refused: {kinds:?}");
    Ok(())
}
