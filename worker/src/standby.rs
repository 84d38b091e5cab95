//! What a lane waits for before it consumes, and what makes it stop: drain, pause, PostgreSQL, the broker.

use std::time::Duration;

use epro_broker::{BrokerUrl, Connection, Consumer};
use epro_process::health::Part;
use epro_process::shutdown::Shutdown;
use epro_store::Store;
use tokio::sync::watch;

use crate::backoff;
use crate::lane::Lane;
use crate::pauses::Paused;

/// Everything from outside that a lane's loop obeys.
pub(crate) struct Standby {
    /// Ends every wait and every hold at once.
    pub shutdown: Shutdown,
    /// How long leaving may take.
    pub drain: Duration,
    /// Which lanes an operator, or a lane itself, has paused; `None` until PostgreSQL has answered once.
    pub paused: watch::Receiver<Option<Paused>>,
    /// Where pauses are kept, and what the rows go to.
    pub store: Store,
    /// Where to consume.
    pub url: BrokerUrl,
    /// What `/readyz` says of this lane.
    pub part: Part,
    /// Whether the lane may consume while PostgreSQL is away.
    pub without_store: bool,
}

impl Standby {
    /// Waits until the lane may consume, and connects. `None`: the process drains.
    pub(crate) async fn open(&mut self, lane: &Lane) -> Option<Connection> {
        loop {
            let shutdown = self.shutdown.clone();
            let ready = tokio::select! {
                () = shutdown.requested() => return None,
                connection = self.connect(lane) => connection,
            };
            if ready.is_some() {
                return ready;
            }
        }
    }

    async fn connect(&mut self, lane: &Lane) -> Option<Connection> {
        self.resumed(lane).await;
        if !self.without_store {
            self.store_answers().await;
        }
        let name = format!("epro-worker {}", lane.name);
        for delay in backoff::steady() {
            match Connection::open(&self.url, &name).await {
                Ok(connection) => return Some(connection),
                Err(error) => self.part.not_ready(format!("waiting for RabbitMQ: {error}")),
            }
            tokio::time::sleep(delay).await;
        }
        None
    }

    /// Waits until the pauses are known and this lane isn't among them. A lane that may consume without
    /// PostgreSQL doesn't wait to know: its answers are dangerous.
    async fn resumed(&mut self, lane: &Lane) {
        loop {
            let paused = self.paused.borrow_and_update().as_ref().map(|paused| paused.reason(lane.name));
            let known = match paused {
                None if self.without_store => return,
                Some(None) => {
                    metrics::gauge!("epro_lane_paused", "lane" => lane.name).set(0.0);
                    return;
                }
                None => tokio::time::timeout(backoff::LONGEST, self.pauses_known()).await.unwrap_or(Ok(())),
                Some(Some(reason)) => {
                    // Paused on purpose is ready: a rollout must not wait for an operator.
                    tracing::warn!(lane = lane.name, reason, "lane is paused, `epro resume` lifts it");
                    metrics::gauge!("epro_lane_paused", "lane" => lane.name).set(1.0);
                    self.part.ready();
                    self.paused.changed().await
                }
            };
            if known.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// Waits for the first word of PostgreSQL, and says why it doesn't come: away, no rights, not migrated.
    async fn pauses_known(&mut self) -> Result<(), watch::error::RecvError> {
        if let Err(error) = self.store.pauses().await {
            self.part.not_ready(format!("waiting for PostgreSQL: {error}"));
        }
        self.paused.changed().await
    }

    async fn store_answers(&self) {
        for delay in backoff::steady() {
            match self.store.missing_migrations().await {
                Ok(missing) if missing.is_empty() => return,
                Ok(missing) => {
                    let missing = missing.join(", ");
                    self.part.not_ready(format!("the database lacks {missing}: run `epro migrate`"));
                }
                Err(error) => self.part.not_ready(format!("waiting for PostgreSQL: {error}")),
            }
            tokio::time::sleep(delay).await;
        }
    }

    /// Subscribes, or says why not and waits a moment.
    pub(crate) async fn subscribe(&self, lane: &Lane, connection: &Connection) -> Option<Consumer> {
        match Consumer::subscribe(connection, &lane.queue, lane.prefetch).await {
            Ok(consumer) => {
                self.part.ready();
                Some(consumer)
            }
            Err(error) => {
                self.part.not_ready(error.to_string());
                self.rest(backoff::LONGEST).await;
                None
            }
        }
    }

    /// Waits, unless the process is asked to leave.
    pub(crate) async fn rest(&self, delay: Duration) {
        tokio::select! {
            () = self.shutdown.requested() => {}
            () = tokio::time::sleep(delay) => {}
        }
    }

    /// Resolves once the process is asked to leave.
    pub(crate) async fn drain(&self) {
        self.shutdown.requested().await;
    }

    /// Resolves once the lane is paused.
    pub(crate) async fn paused(&self, lane: &Lane) {
        let mut paused = self.paused.clone();
        let is_paused = |paused: &Option<Paused>| {
            paused.as_ref().is_some_and(|paused| paused.reason(lane.name).is_some())
        };
        if paused.wait_for(is_paused).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Says that the lane's consumer is gone.
    pub(crate) fn left(&self, reason: &str) {
        self.part.not_ready(reason);
    }

    /// Pauses the lane after too many dead letters of one class in a row, and returns once every
    /// replica's view of the pauses says so, or the process drains.
    pub(crate) async fn pause_self(&self, lane: &Lane, class: &str) {
        let reason = format!("{} dead letters of class {class} in a row", lane.streak.unwrap_or_default());
        tracing::error!(
            lane = lane.name,
            reason,
            "the lane pauses itself: look at the dead letters, then `epro resume`"
        );
        metrics::counter!("epro_lane_self_paused_total", "lane" => lane.name).increment(1);
        tokio::select! {
            () = self.shutdown.requested() => {}
            () = async {
                crate::pauses::pause_self(&self.store, crate::pauses::LANE, lane.name, &reason).await;
                let _ = tokio::time::timeout(crate::pauses::KNOWN_WITHIN, self.paused(lane)).await;
            } => {}
        }
    }
}
