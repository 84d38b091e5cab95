//! A virtual host with the topology applied, a connection, and publishers on it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use epro_broker::{
    BrokerUrl, Connection, Consumer, Delivery, Headers, Message, Publisher, PublisherOptions, PublisherState,
    Topology, topology::Setting,
};
use epro_proving::Vhost;
use epro_schemas::sealed::SealedBody;
use reqwest::Method;
use serde_json::{Map, Value, json};
use tokio::{sync::RwLock, task::JoinSet, time::timeout};
use uuid::Uuid;

/// Long enough for a busy machine; a test that is right never waits so long.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// An alarm blocks every publisher on the node: the test that raises it writes, all others read.
pub(crate) static NODE: RwLock<()> = RwLock::const_new(());

pub(crate) struct Stand {
    pub(crate) vhost: Vhost,
    pub(crate) connection: Connection,
    _quiet: Option<tokio::sync::RwLockReadGuard<'static, ()>>,
}

impl Stand {
    /// With the topology for hospital H001, waits a fifth as long as named.
    pub(crate) async fn new() -> Result<Self> {
        let stand = Self::bare().await?;
        topology().apply(&stand.connection).await?;
        Ok(stand)
    }

    /// With nothing declared.
    pub(crate) async fn bare() -> Result<Self> {
        let quiet = NODE.read().await;
        let stand = Self::unguarded().await?;
        Ok(Self { _quiet: Some(quiet), ..stand })
    }

    /// For the test that disturbs the node.
    pub(crate) async fn unguarded() -> Result<Self> {
        let vhost = Vhost::create().await?;
        let connection = Connection::open(&vhost.url().parse()?, "test").await?;
        Ok(Self { vhost, connection, _quiet: None })
    }

    pub(crate) fn url(&self) -> Result<BrokerUrl> {
        Ok(self.vhost.url().parse()?)
    }

    /// Puts the shipped policies on it, as `epro topology apply` does.
    pub(crate) async fn put_policies(&self) -> Result<()> {
        for policy in topology().policies() {
            let settings = policy.definition.iter().map(|(key, setting)| {
                let value = match setting {
                    Setting::Number(number) => json!(number),
                    Setting::Text(text) => json!(text),
                };
                ((*key).to_owned(), value)
            });
            let definition: Map<String, Value> = settings.collect();
            let body = json!({
                "pattern": policy.pattern, "definition": definition,
                "priority": policy.priority, "apply-to": "queues",
            });
            let path = format!("/api/policies/{}/{}", self.vhost.name(), policy.name);
            self.vhost.management().send(Method::PUT, &path, Some(body)).await?;
        }
        Ok(())
    }

    pub(crate) async fn publisher(&self) -> Result<Publishing> {
        Publishing::start(self.url()?, 64, SOON).await
    }

    pub(crate) async fn consumer(&self, queue: &str) -> Result<Consumer> {
        Ok(Consumer::subscribe(&self.connection, queue, 100).await?)
    }

    pub(crate) async fn ready(&self, queue: &str) -> Result<u32> {
        let depth = epro_broker::topology::depth(&self.connection, queue).await?;
        Ok(depth.with_context(|| format!("queue {queue} is missing"))?.ready)
    }

    /// Waits until the queue has so many messages ready.
    pub(crate) async fn has_ready(&self, queue: &str, count: u32) -> Result<()> {
        let look = || async { Ok((self.ready(queue).await? == count).then_some(())) };
        epro_proving::until(&format!("{count} ready in {queue}"), SOON, look).await
    }
}

pub(crate) fn topology() -> Topology {
    Topology::new(&["H001".to_owned()], 0.2)
}

/// A publisher and the task that works for it.
pub(crate) struct Publishing {
    pub(crate) publisher: Publisher,
    pub(crate) tasks: JoinSet<()>,
}

impl Publishing {
    /// Waits until it is connected.
    pub(crate) async fn start(url: BrokerUrl, outstanding: usize, confirm_timeout: Duration) -> Result<Self> {
        let publishing = Self::begin(url, outstanding, confirm_timeout);
        publishing.becomes(PublisherState::Connected).await?;
        Ok(publishing)
    }

    pub(crate) fn begin(url: BrokerUrl, outstanding: usize, confirm_timeout: Duration) -> Self {
        let options = PublisherOptions { url, name: "test".to_owned(), outstanding, confirm_timeout };
        let (publisher, work) = Publisher::start(options);
        let mut tasks = JoinSet::new();
        tasks.spawn(work);
        Self { publisher, tasks }
    }

    pub(crate) async fn becomes(&self, state: PublisherState) -> Result<()> {
        let mut watch = self.publisher.watch();
        timeout(SOON, watch.wait_for(|now| *now == state)).await.with_context(|| {
            format!("the publisher should be {state:?}, is {:?}", self.publisher.state())
        })??;
        Ok(())
    }
}

pub(crate) fn message(queue: &str, body: &str) -> Message {
    let bytes = Bytes::copy_from_slice(body.as_bytes());
    Message::work(queue, Headers::default(), body_of(Uuid::now_v7(), bytes))
}

#[allow(clippy::disallowed_methods, reason = "the broker carries whatever it is given")]
pub(crate) fn body_of(id: Uuid, bytes: Bytes) -> SealedBody {
    SealedBody::as_it_came("epro.test.v1".to_owned(), id, bytes)
}

/// The next delivery, which must come soon.
pub(crate) async fn next(consumer: &mut Consumer) -> Result<Delivery> {
    timeout(SOON, consumer.next()).await.context("no delivery came")?.context("the stream ended")
}

/// The bodies of the next so many.
pub(crate) async fn take(consumer: &mut Consumer, count: usize) -> Result<Vec<Delivery>> {
    let mut deliveries = Vec::with_capacity(count);
    while deliveries.len() < count {
        deliveries.push(next(consumer).await?);
    }
    ensure!(deliveries.len() == count);
    Ok(deliveries)
}

pub(crate) fn text(delivery: &Delivery) -> String {
    String::from_utf8_lossy(&delivery.body()).into_owned()
}

/// Stands for the row that was committed.
pub(crate) struct Stored;

impl epro_schemas::receipt::Receipt for Stored {}
