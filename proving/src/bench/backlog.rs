//! What a deep queue does to a worker: its pace and its memory while ten thousand, a hundred thousand and a million
//! submissions wait, beside what is left of the pace of a consumer that acks and does nothing else.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use lapin::Connection;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use tokio::time::Instant;

use super::calm::calm;
use super::depth::fill;
use super::ground::{CHUNK, Cargo, Ground, PREFETCH};
use super::messages::ROUTINE;
use super::rounds::Figures;

/// What the bare consumer takes of each queue.
const TAKEN: usize = 10_000;
/// The worker's pace is that of its first ones. They are fewer than the shallowest queue holds: a last chunk waits for
/// more.
const RATED: usize = 8_000;
/// What a worker stores before its memory is looked at. A peak is one moment's, so each depth gets as many moments.
const WORK: usize = 100_000;

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
    Depth { queued: 10_000, ours: "10k worker", bare: "10k bare", rss: "10k rss", left: None },
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
    let mut worker = ground.warm_worker(cargo).await?;
    fill(ground, template, queued + TAKEN + usize::from(PREFETCH)).await?;
    calm().await?;
    let bare = consume(&ground.amqp()).await?;
    calm().await?;
    ground.resume().await?;
    ground.reaches(queued.min(WORK)).await?;
    let ours = pace(ground).await?;
    let mut put = queued;
    while put < WORK {
        fill(ground, template, queued).await?;
        put += queued;
        ground.reaches(put).await?;
    }
    let rss = worker.peak_rss_mib()?;
    worker.drain(Duration::from_secs(30)).await?;
    ground.empty(cargo.site).await?;
    Ok(Found { ours, bare, rss })
}

/// Takes [`TAKEN`] messages and acks them, a chunk at a time, and does nothing else: messages a second.
async fn consume(url: &str) -> Result<f64> {
    let connection = Connection::connect(url, Default::default()).await?;
    let channel = connection.create_channel().await?;
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let (options, table) = (BasicConsumeOptions::default(), FieldTable::default());
    let mut consumer = channel.basic_consume(ROUTINE.into(), "bare".into(), options, table).await?;
    let (mut begun, mut took, mut last) = (None, Duration::ZERO, 0);
    // What the broker has handed out beyond would come to the worker as handed out before, each in a chunk of its own.
    for number in 1..=TAKEN + usize::from(PREFETCH) {
        last = consumer.next().await.context("the queue ended")??.delivery_tag;
        let begun = *begun.get_or_insert_with(Instant::now);
        if number <= TAKEN && (number.is_multiple_of(CHUNK) || number == TAKEN) {
            channel.basic_ack(last, BasicAckOptions { multiple: true }).await?;
        }
        if number == TAKEN {
            took = begun.elapsed();
        }
    }
    channel.basic_cancel("bare".into(), BasicCancelOptions::default()).await?;
    channel.basic_ack(last, BasicAckOptions { multiple: true }).await?;
    connection.close(200, "taken".into()).await?;
    Ok((TAKEN - 1) as f64 / took.as_secs_f64())
}

/// Submissions a second from the first commit until [`RATED`] are there, by the database's clock.
async fn pace(ground: &Ground) -> Result<f64> {
    let sql = format!(
        "WITH mark AS (SELECT min(stored_at) AS begun, (SELECT stored_at FROM identified.submission
            ORDER BY stored_at OFFSET {} LIMIT 1) AS ended FROM identified.submission)
        SELECT extract(epoch FROM ended - begun)::float8, (SELECT count(*) FROM identified.submission
            WHERE stored_at > begun AND stored_at <= ended) FROM mark",
        RATED - 1
    );
    let row = ground.link.client.query_one(&sql, &[]).await?;
    let (seconds, after_first): (f64, i64) = (row.get(0), row.get(1));
    ensure!(seconds > 0.0, "{RATED} submissions in one commit give no pace");
    Ok(after_first as f64 / seconds)
}
