//! What a deep queue does to a worker: its pace and its memory while ten thousand, a hundred thousand and a million
//! submissions wait, beside what is left of the pace of a consumer that acks and does nothing else. Both are rated over
//! the same stretches ([`super::stretch`]), one right after the other.

use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::StreamExt;
use lapin::Connection;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use tokio::time::Instant;

use super::calm::calm;
use super::depth::fill;
use super::ground::{CHUNK, Cargo, Ground, PREFETCH};
use super::messages::ROUTINE;
use super::publisher::Message;
use super::rounds::Figures;
use super::stretch::{Pace, SHALLOWEST, STORED, Stretches, WARM_UP};

/// A depth, and what its figures are called.
struct Depth {
    queued: usize,
    ours: &'static str,
    bare: &'static str,
    rss: &'static str,
    /// What of the pace in front of the shallowest queue is left, ours and the bare consumer's.
    left: Option<[&'static str; 2]>,
}

/// From the shallowest on.
const DEPTHS: [Depth; 3] = [
    Depth { queued: SHALLOWEST, ours: "10k worker", bare: "10k bare", rss: "10k rss", left: None },
    Depth {
        queued: 100_000,
        ours: "100k worker",
        bare: "100k bare",
        rss: "100k rss",
        left: Some(["100k left", "100k bare left"]),
    },
    Depth {
        queued: 1_000_000,
        ours: "1m worker",
        bare: "1m bare",
        rss: "1m rss",
        left: Some(["1m left", "1m bare left"]),
    },
];

/// Submissions a second, messages a second, MiB.
#[derive(Clone, Copy)]
struct Found {
    ours: f64,
    bare: f64,
    rss: f64,
}

/// Each depth once, no deeper than this.
pub(super) async fn each(
    ground: &Ground,
    cargo: &Cargo,
    deepest: usize,
    figures: &mut Figures,
) -> Result<()> {
    let mut shallow: Option<Found> = None;
    for depth in DEPTHS.iter().filter(|depth| depth.queued <= deepest) {
        let found = at(ground, cargo, depth.queued).await?;
        figures.note(depth.ours, found.ours);
        figures.note(depth.bare, found.bare);
        figures.note(depth.rss, found.rss);
        let shallow = *shallow.get_or_insert(found);
        if let Some([ours, bare]) = depth.left {
            figures.note(ours, found.ours / shallow.ours);
            figures.note(bare, found.bare / shallow.bare);
        }
    }
    Ok(())
}

async fn at(ground: &Ground, cargo: &Cargo, queued: usize) -> Result<Found> {
    let template = cargo.messages.first().context("no messages")?;
    let stretches = Stretches::at(queued);
    let mut worker = ground.warm_worker(cargo).await?;
    fill(ground, template, stretches.behind()).await?;
    let (mut ours, mut bare) = (Pace::default(), Pace::default());
    for number in 0..stretches.count() {
        if number > 0 {
            ground.pause(std::slice::from_ref(&worker)).await?;
        }
        more(ground, template, stretches).await?;
        bare = bare.and(consume(&ground.amqp(), stretches).await?);
        more(ground, template, stretches).await?;
        ground.resume().await?;
        ground.reaches((number + 1) * stretches.whole()).await?;
        ours = ours.and(stretches.rated(ground, number).await?);
    }
    ground.reaches(STORED).await?;
    let rss = worker.peak_rss_mib()?;
    worker.drain(Duration::from_secs(30)).await?;
    ground.empty(cargo.site).await?;
    Ok(Found { ours: ours.a_second(), bare: bare.a_second(), rss })
}

/// What one stretch takes, once the machine rests.
async fn more(ground: &Ground, template: &Message, stretches: Stretches) -> Result<()> {
    fill(ground, template, stretches.whole()).await?;
    calm().await
}

/// Takes one stretch and acks it, a chunk at a time, and does nothing else.
async fn consume(url: &str, stretches: Stretches) -> Result<Pace> {
    let connection = Connection::connect(url, Default::default()).await?;
    let channel = connection.create_channel().await?;
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let (options, table) = (BasicConsumeOptions::default(), FieldTable::default());
    let mut consumer = channel.basic_consume(ROUTINE.into(), "bare".into(), options, table).await?;
    let end = WARM_UP + stretches.each();
    let (mut begun, mut took, mut last) = (Instant::now(), Duration::ZERO, 0);
    // What the broker has handed out beyond would come to the worker as handed out before, each in a chunk of its own.
    for number in 1..=stretches.whole() {
        last = consumer.next().await.context("the queue ended")??.delivery_tag;
        if number <= end && (number.is_multiple_of(CHUNK) || number == end) {
            channel.basic_ack(last, BasicAckOptions { multiple: true }).await?;
        }
        if number == WARM_UP {
            begun = Instant::now();
        }
        if number == end {
            took = begun.elapsed();
        }
    }
    channel.basic_cancel("bare".into(), BasicCancelOptions::default()).await?;
    channel.basic_ack(last, BasicAckOptions { multiple: true }).await?;
    connection.close(200, "taken".into()).await?;
    Pace::of(stretches.each() as f64, took.as_secs_f64())
}
