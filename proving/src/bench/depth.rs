//! Memory with a deep queue behind.

use anyhow::{Context, Result};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{Connection, ConnectionProperties};

use super::ground::Ground;
use super::load::{self, Requests};
use super::measure::median;
use super::messages::forge;
use super::publisher::Message;

/// How often it is measured: a peak is one moment's.
const ROUNDS: usize = 3;

/// Peak resident memory, MiB; medians.
#[derive(Clone, Copy, Debug)]
pub struct Depth {
    /// Messages that were queued.
    pub queued: usize,
    /// The API, while it took requests in front of an empty queue.
    pub api_few: f64,
    /// The API, while it took them in front of that queue.
    pub api: f64,
    /// The worker, while it stored the first fifth of them.
    pub worker_first: f64,
    /// The worker, while it stored the last fifth: as much work, so that as many moments can be its peak.
    pub worker_last: f64,
    /// The worker, over all of them.
    pub worker: f64,
}

/// Queues `count` submissions of our own making, lets the API take requests, then the worker drain; three times.
pub async fn measure(
    ground: &Ground,
    template: &Message,
    count: usize,
    requests: &Requests,
) -> Result<Depth> {
    let mut all = Vec::new();
    for _ in 0..ROUNDS {
        all.push(once(ground, template, count, requests).await?);
    }
    let middle = |of: fn(&Depth) -> f64| median(&all.iter().map(of).collect::<Vec<_>>());
    Ok(Depth {
        queued: count,
        api_few: middle(|depth| depth.api_few)?,
        api: middle(|depth| depth.api)?,
        worker_first: middle(|depth| depth.worker_first)?,
        worker_last: middle(|depth| depth.worker_last)?,
        worker: middle(|depth| depth.worker)?,
    })
}

async fn once(ground: &Ground, template: &Message, count: usize, requests: &Requests) -> Result<Depth> {
    let api_few = taking(ground, requests).await?;
    ground.empty("H004").await?;
    fill(ground, template, count).await?;
    let api = taking(ground, requests).await?;
    let mut worker = ground.stack.worker().await?;
    let all = count + requests.len();
    ground.reaches(all / 5).await?;
    let worker_first = worker.peak_rss_mib()?;
    ground.reaches(all / 5 * 4).await?;
    let before = worker.peak_rss_mib()?;
    worker.forget_peak_rss()?;
    ground.stored(all).await?;
    let worker_last = worker.peak_rss_mib()?;
    ground.finish(&mut worker).await?;
    ground.empty("H004").await?;
    Ok(Depth { queued: count, api_few, api, worker_first, worker_last, worker: before.max(worker_last) })
}

/// The peak of an API that takes requests.
async fn taking(ground: &Ground, requests: &Requests) -> Result<f64> {
    let api = ground.stack.api().await?;
    load::closed(api.listen(), requests, 64).await?;
    api.peak_rss_mib()
}

/// Messages are made while others are on their way: a million of them need not fit in memory.
pub(super) async fn fill(ground: &Ground, template: &Message, count: usize) -> Result<()> {
    let keys = ground.keys()?;
    let properties = ConnectionProperties::default().with_connection_name("bench-depth".into());
    let connection = Connection::connect(&ground.amqp(), properties).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    let mut flying = FuturesUnordered::new();
    for _ in 0..count {
        if flying.len() >= 1000 {
            let done: Result<()> = flying.next().await.context("nothing in flight")?;
            done?;
        }
        let message = forge(template, &keys)?;
        let channel = &channel;
        flying.push(async move {
            let (exchange, key) = (message.exchange.as_str().into(), message.key.as_str().into());
            channel.basic_publish(exchange, key, options, &message.body, message.properties).await?.await?;
            Ok(())
        });
    }
    while let Some(done) = flying.next().await {
        done?;
    }
    connection.close(200, "filled".into()).await?;
    Ok(())
}
