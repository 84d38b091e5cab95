//! A relay of the bench's own, set back between the figures.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::bare_loop::{Shape, Writes};
use super::calm::calm;
use super::load::{self, Requests};
use super::messages::{self, ROUTINE};
use super::publisher::{self, Message};
use super::recorded;
use super::rows::{self, Rows};
use crate::database::Link;
use crate::sample::lay_over;
use crate::sealed::Keys;
use crate::service::Service;
use crate::stack::{Plan, Stack};
use crate::until;

/// As documented in docs/config.yaml; both contenders work with this and the prefetch.
pub(super) const CHUNK: usize = 256;
pub(super) const PREFETCH: u16 = 1536;
/// Of the bare loop, at every load; what the worker waits grows with what is there, from 3 ms on.
const LINGER: Duration = Duration::from_millis(10);
const FRAME_MAX: u32 = 16_384;
/// What consumes [`ROUTINE`].
const LANE: &str = "submissions.routine";

/// The stack and what is asked of it every round.
pub struct Ground {
    /// The stack.
    pub stack: Stack,
    /// A look at its tables.
    pub link: Link,
}

/// Submissions of one site: as messages, and as the rows that the worker makes of them.
pub struct Cargo {
    /// The site.
    pub site: &'static str,
    /// The messages as the API published them.
    pub messages: Arc<Vec<Message>>,
    /// The rows that the worker wrote for them.
    pub rows: Arc<Rows>,
    /// A follow-on as the worker published it, if the site has a hospital.
    pub follow_on: Option<Message>,
}

impl Ground {
    /// A fresh stack with the default measures.
    pub async fn new() -> Result<Self> {
        Self::with(Value::Null).await
    }

    /// The same; its processes know the instruments in that folder, too.
    pub async fn knowing(instruments: &Path) -> Result<Self> {
        Self::with(json!({"instruments": {"directory": instruments.display().to_string()}})).await
    }

    /// The same with more in its configuration.
    pub async fn with(more: Value) -> Result<Self> {
        let mut config = json!({
            "worker": {"chunk": CHUNK, "linger": "3ms", "prefetch": PREFETCH},
            "broker": {"frame_max": FRAME_MAX},
        });
        lay_over(&mut config, &more);
        let stack = Stack::with(Plan { config, ..Plan::default() }).await?;
        let link = stack.database().connect().await?;
        Ok(Self { stack, link })
    }

    /// AMQP with the product's frame size.
    pub fn amqp(&self) -> String {
        format!("{}?frame_max={FRAME_MAX}", self.stack.vhost().url())
    }

    /// The bare loop in the worker's measures.
    pub fn shape(&self, cargo: &Cargo) -> Shape {
        Shape {
            broker: self.amqp(),
            postgres: self.stack.database().url().to_owned(),
            chunk: CHUNK,
            linger: LINGER,
            prefetch: PREFETCH,
            follow_on: cargo.follow_on.clone(),
            writes: Writes::Rows,
        }
    }

    /// Sends `count` submissions of a site through the API, takes the messages, lets the worker make
    /// rows of them, and keeps both.
    pub async fn load(&self, site: &'static str, count: usize) -> Result<Cargo> {
        let requests = load::requests(self.stack.minter(), "ONC-301", site, count)?;
        self.cargo(site, &requests).await
    }

    /// The same with submissions of that site that are there already.
    pub async fn cargo(&self, site: &'static str, requests: &Requests) -> Result<Cargo> {
        let count = requests.len();
        let mut api = self.stack.api().await?;
        load::closed(api.listen(), requests, 64).await?;
        api.drain(Duration::from_secs(30)).await?;
        let messages = messages::take(self.stack.vhost().url(), ROUTINE, count).await?;
        self.fill(&messages).await?;
        let mut worker = self.stack.worker().await?;
        self.stored(count).await?;
        worker.drain(Duration::from_secs(30)).await?;
        let rows = Arc::new(rows::read(&self.link, count).await?);
        let his = format!("epro.his.{site}");
        let has_hospital = rows.values().any(|row| row.delivery_site.is_some());
        let follow_on = match has_hospital {
            true => messages::take(self.stack.vhost().url(), &his, count).await?.first().cloned(),
            false => None,
        };
        self.empty(site).await?;
        Ok(Cargo { site, messages, rows, follow_on })
    }

    /// A worker that has its connections and statements, as the bare loop has before it begins, and whose lane is
    /// paused. Its first submissions are gone again.
    pub async fn warm_worker(&self, cargo: &Cargo) -> Result<Service> {
        let worker = self.stack.worker().await?;
        self.warm(cargo, std::slice::from_ref(&worker)).await?;
        Ok(worker)
    }

    /// Makes workers that have just been started so: all that there are.
    pub async fn warm(&self, cargo: &Cargo, workers: &[Service]) -> Result<()> {
        let some = cargo.messages.iter().take(8 * CHUNK * workers.len());
        let some = Arc::new(some.cloned().collect::<Vec<_>>());
        publisher::closed(&self.amqp(), &some, 1000).await?;
        self.stored(some.len()).await?;
        self.pause(workers).await?;
        self.empty(cargo.site).await
    }

    /// Has a door, and the worker behind it, take a few submissions, so that they have their connections and statements
    /// as the bare ones have. Those are gone again, and were sent with tokens of their own: whose submissions come later
    /// is yet to be found out.
    pub async fn warm_route(&self, door: &Service, site: &str) -> Result<()> {
        let some = load::requests(self.stack.minter(), "ONC-301", site, 8 * CHUNK)?;
        load::closed(door.listen(), &some, 64).await?;
        self.stored(some.len()).await?;
        self.empty(site).await
    }

    /// Lets the lane stand still, and waits until all workers that there are have noticed.
    pub async fn pause(&self, workers: &[Service]) -> Result<()> {
        let before: Vec<usize> = workers.iter().map(stops).collect();
        self.stack.epro(&["pause", LANE, "--reason", "until the queue is full"]).await?;
        until("the lane to be paused", Duration::from_secs(30), || async {
            let paused = workers.iter().zip(&before).all(|(worker, before)| stops(worker) > *before);
            Ok(paused.then_some(()))
        })
        .await
    }

    /// Lets the lane of warm workers go on.
    pub async fn resume(&self) -> Result<()> {
        self.stack.epro(&["resume", LANE, "--reason", "the queue is full"]).await?;
        Ok(())
    }

    /// Puts messages on the queue and waits until the broker has done what it does behind its confirms.
    pub async fn fill(&self, messages: &Arc<Vec<Message>>) -> Result<()> {
        publisher::closed(&self.amqp(), messages, 1000).await?;
        calm().await
    }

    /// Waits until so many submissions are stored and the queue is settled; an error if any was set aside.
    pub async fn stored(&self, count: usize) -> Result<()> {
        self.reaches(count).await?;
        let now = self.link.count("SELECT count(*) FROM identified.submission").await?;
        ensure!(now == count as i64, "{now} submissions are stored, not {count}");
        Ok(())
    }

    /// Waits until at least so many submissions are stored.
    pub async fn reaches(&self, count: usize) -> Result<()> {
        let bound = Duration::from_secs(60 + count as u64 / 500);
        until("submissions to be stored", bound, || async {
            let now = self.link.count("SELECT count(*) FROM identified.submission").await?;
            let dead = self.link.count("SELECT count(*) FROM ops.dead_letter").await?;
            ensure!(dead == 0, "{dead} submissions were set aside");
            if now < count as i64 {
                // Counting costs the database something, and the figures go by its own clock.
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Ok((now >= count as i64).then_some(()))
        })
        .await
    }

    /// Submissions a second between the first and the last commit, by the database's clock: the
    /// start of a process and what a client needs to notice the end are not in it.
    pub async fn pace(&self, count: usize) -> Result<f64> {
        let sql = "SELECT extract(epoch FROM max(stored_at) - min(stored_at))::float8,
                   (SELECT count(*) FROM identified.submission
                    WHERE stored_at > (SELECT min(stored_at) FROM identified.submission))
                   FROM identified.submission";
        let row = self.link.client.query_one(sql, &[]).await?;
        let (seconds, after_first): (f64, i64) = (row.get(0), row.get(1));
        ensure!(seconds > 0.0, "{count} submissions in one commit give no pace");
        Ok(after_first as f64 / seconds)
    }

    /// Empties tables and queues, lets PostgreSQL write out what is due, and waits until all rest.
    pub async fn empty(&self, site: &str) -> Result<()> {
        let sql = "TRUNCATE identified.submission, identified.subject, research.submission, ops.delivery,
                   ops.alert, ops.dead_letter, ops.suspect, audit.event, audit.writer";
        self.link.client.batch_execute(sql).await?;
        self.link.client.batch_execute("CHECKPOINT").await?;
        let his = format!("epro.his.{site}");
        let mut queues = vec![ROUTINE];
        if self.stack.vhost().queues().await?.contains(&his) {
            queues.push(&his);
        }
        messages::purge(self.stack.vhost(), &queues).await?;
        calm().await
    }

    /// The keys of the stack.
    pub fn keys(&self) -> Result<Keys> {
        Keys::read(self.stack.folder())
    }

    /// Waits until a process has acked everything: nothing is ready, and it drains without giving back.
    pub async fn finish(&self, worker: &mut Service) -> Result<()> {
        worker.drain(Duration::from_secs(30)).await?;
        let left = self.stack.vhost().ready(ROUTINE).await?;
        ensure!(left == 0, "{left} deliveries came back when the worker left");
        Ok(())
    }

    /// How many cores and which versions, for the report.
    pub async fn machine(&self) -> Result<Value> {
        recorded::machine(self.stack.vhost().management(), &self.link).await
    }
}

/// How often a lane of that worker stopped consuming.
fn stops(worker: &Service) -> usize {
    worker.output().matches("lane stopped consuming").count()
}
