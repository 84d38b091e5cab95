//! The task behind a publisher: keeps a connection, and refuses while there is none.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use deadpool_lapin::{Manager, Pool, Runtime};
use lapin::{ExchangeKind, options::ExchangeDeclareOptions, types::FieldTable};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, timeout},
};
use tracing::{debug, info, warn};

use super::{
    Job, PublishError, PublisherState,
    line::{End, Line},
};
use crate::{
    connection::{BrokerUrl, PATIENCE, properties},
    consumer::soft_error,
    topology::WORK,
};

/// A line that lasted this long was a good one: the next attempt comes soon again.
const GOOD: Duration = Duration::from_secs(5);

pub(super) struct Owner {
    url: BrokerUrl,
    name: String,
    jobs: mpsc::Receiver<Job>,
    state: watch::Sender<PublisherState>,
}

/// Why there is no line to publish on.
#[derive(Debug, thiserror::Error)]
enum OpenError {
    #[error("{0}")]
    Pool(#[from] deadpool_lapin::PoolError),
    #[error("{0}")]
    Broker(#[from] lapin::Error),
    #[error("no answer within 5 s")]
    TimedOut,
    #[error("exchange {WORK} is missing: run `epro topology apply`")]
    NoTopology,
}

impl Owner {
    pub(super) fn new(
        url: BrokerUrl,
        name: String,
        jobs: mpsc::Receiver<Job>,
        state: watch::Sender<PublisherState>,
    ) -> Self {
        Self { url, name, jobs, state }
    }

    /// Until every handle is dropped.
    pub(super) async fn run(mut self) {
        let Some(pool) = self.pool() else { return };
        let mut delays = delays();
        let mut quiet = false;
        loop {
            let started = Instant::now();
            match open(&pool).await {
                Ok(line) => {
                    info!(publisher = self.name, "publisher: connected");
                    quiet = false;
                    let end = line.serve(&mut self.jobs, &self.state).await;
                    self.state.send_replace(PublisherState::Disconnected);
                    match end {
                        End::Finished => return,
                        End::Lost(why) => warn!(publisher = self.name, why, "publisher: connection lost"),
                    }
                }
                Err(error) if quiet => {
                    debug!(publisher = self.name, %error, "publisher: still not connected")
                }
                Err(error) => {
                    warn!(publisher = self.name, %error, "publisher: not connected, will keep trying");
                    quiet = true;
                }
            }
            if started.elapsed() > GOOD + PATIENCE {
                delays = self::delays();
            }
            if self.refuse_for(delays.next().unwrap_or(PATIENCE)).await.is_err() {
                return;
            }
        }
    }

    /// A pool of one: it makes the connection, and replaces it once it is broken.
    fn pool(&self) -> Option<Pool> {
        let name = self.name.clone();
        let properties = move || properties(&name);
        let manager = match self.url.secure() {
            Some(runtime) => Manager::new(self.url.reveal(), properties, runtime),
            None => Manager::new(self.url.reveal(), properties, async_rs::Runtime::tokio_current()),
        };
        let builder = Pool::builder(manager)
            .max_size(1)
            .wait_timeout(Some(PATIENCE))
            .create_timeout(Some(PATIENCE))
            .recycle_timeout(Some(PATIENCE))
            .runtime(Runtime::Tokio1);
        match builder.build() {
            Ok(pool) => Some(pool),
            Err(error) => {
                // Only without a runtime, in which nothing could run this.
                tracing::error!(publisher = self.name, %error, "publisher: can't be set up");
                None
            }
        }
    }

    /// Answers at once for a while. The error means that every handle is dropped.
    async fn refuse_for(&mut self, delay: Duration) -> Result<(), ()> {
        let refusing = async {
            while let Some(job) = self.jobs.recv().await {
                job.caller.answer(Err(PublishError::NotConnected));
            }
        };
        tokio::select! {
            () = refusing => Err(()),
            () = sleep(delay) => Ok(()),
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // Also when the task is aborted: nobody publishes any more.
        self.state.send_replace(PublisherState::Disconnected);
    }
}

fn delays() -> backon::ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_millis(2500))
        .without_max_times()
        .with_jitter()
        .build()
}

async fn open(pool: &Pool) -> Result<Line, OpenError> {
    let connection = pool.get().await?;
    let opening = async {
        // Publishing to an exchange that isn't there ends the channel, and with it the confirms
        // of everybody else: look first.
        let passive = ExchangeDeclareOptions { passive: true, ..Default::default() };
        let scratch = connection.create_channel().await?;
        let found =
            scratch.exchange_declare(WORK.into(), ExchangeKind::Direct, passive, FieldTable::default());
        found.await.map_err(|error| match soft_error(&error) {
            Some(lapin::protocol::AMQPSoftError::NOTFOUND) => OpenError::NoTopology,
            _ => error.into(),
        })?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(Default::default()).await?;
        Ok::<_, OpenError>(channel)
    };
    let channel = timeout(PATIENCE, opening).await.map_err(|_| OpenError::TimedOut)??;
    Ok(Line::new(connection, channel))
}
