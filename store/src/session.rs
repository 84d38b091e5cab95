//! One use of a connection: verified when it begins, given back only if it ended well.

use crate::error::StoreError;
use crate::pool::Store;
use crate::step::Step;
use deadpool_postgres::Object;
use futures_util::future::{BoxFuture, ready};
use futures_util::{FutureExt, TryStreamExt};
use std::future::Future;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row, Statement};

/// Longer than the server's own bound on a statement: whoever runs into this one has no server.
const ANSWER: Duration = Duration::from_secs(15);
/// How long a connection that was idle may take to answer before a new one is made.
const PROBE: Duration = Duration::from_secs(2);

/// A connection in use.
///
/// Dropped without [`Session::done`] (after an error, or with a cancelled future) it is closed
/// rather than given back: something may still be under way on it.
pub(crate) struct Session {
    connection: Option<Object>,
    clean: bool,
}

impl Session {
    /// A connection that answers.
    pub(crate) async fn open(store: &Store) -> Result<Self, StoreError> {
        Self::open_with(store, "").await
    }

    /// A connection that answered `opening`. Where the first one of the pool doesn't, the idle ones
    /// beside it are as old and as dead: they go, and a new one is made.
    pub(crate) async fn open_with(store: &Store, opening: &str) -> Result<Self, StoreError> {
        let first = Self::take(store).await?;
        if let Ok(Ok(())) = timeout(PROBE, first.client()?.batch_execute(opening)).await {
            return Ok(first);
        }
        drop(first);
        store.pool.retain(|_, _| false);
        let second = Self::take(store).await?;
        in_time(second.client()?.batch_execute(opening)).await?;
        Ok(second)
    }

    /// Runs one statement that is a transaction by itself, and returns its rows. Whether the connection
    /// is alive is asked in the same breath: a server that says nothing to that has left.
    pub(crate) async fn at_once(store: &Store, step: Step<'_>) -> Result<Vec<Row>, StoreError> {
        let session = Self::take(store).await?;
        let client = session.client()?;
        let statement = session.prepare(step.sql).await?;
        let parameters = step.references();
        let alive = async {
            // A bare Sync: an empty query would be written into the buffer that the statement is to have for itself.
            match timeout(PROBE, client.check_connection()).await {
                Ok(answer) => Ok(answer?),
                Err(_) => Err(StoreError::SILENT),
            }
        };
        // The first one polled is the first one sent.
        let answer =
            futures_util::future::try_join(alive, in_time(client.query(&statement, &parameters))).await;
        match answer {
            Ok(((), rows)) => {
                session.done();
                Ok(rows)
            }
            Err(error @ StoreError::Away { .. }) => {
                store.pool.retain(|_, _| false);
                Err(error)
            }
            // The server has refused it and rolled it back.
            Err(error) => {
                session.done();
                Err(error)
            }
        }
    }

    async fn take(store: &Store) -> Result<Self, StoreError> {
        let started = Instant::now();
        let connection = store.pool.get().await?;
        metrics::histogram!("epro_pool_wait_seconds").record(started.elapsed());
        Ok(Self { connection: Some(connection), clean: false })
    }

    /// Gives the connection back to the pool: nothing is under way on it.
    pub(crate) fn done(mut self) {
        self.clean = true;
    }

    /// Rolls back what a refused row left, so that the connection can be used again: splitting a
    /// chunk in search of that row needs a dozen of them.
    pub(crate) async fn roll_back(&mut self) {
        let answer = match self.client() {
            Ok(client) => in_time(client.batch_execute("ROLLBACK")).await,
            Err(error) => Err(error),
        };
        self.clean = answer.is_ok();
    }

    fn client(&self) -> Result<&Object, StoreError> {
        self.connection.as_ref().ok_or_else(StoreError::internal)
    }

    /// The statement, prepared once a connection.
    async fn prepare(&self, sql: &'static str) -> Result<Statement, StoreError> {
        in_time(self.client()?.prepare_cached(sql)).await
    }

    /// Runs one statement and waits for its rows.
    pub(crate) async fn rows(
        &self,
        sql: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        let statement = self.prepare(sql).await?;
        in_time(self.client()?.query(&statement, parameters)).await
    }

    /// Runs one statement under a plan for these very parameters, and waits for its rows: for those that take much
    /// longer under a plan for any.
    pub(crate) async fn planned_anew(&self, step: &Step<'_>) -> Result<Vec<Row>, StoreError> {
        in_time(self.client()?.query(step.sql, &step.references())).await
    }

    /// The same for many rows, of which each is read, and let go, as it comes.
    pub(crate) async fn each_planned_anew<T>(
        &self,
        step: &Step<'_>,
        read: impl Fn(&Row) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let reading = async {
            let rows = self.client()?.query_raw(step.sql, step.references()).await?;
            rows.err_into().and_then(|row| ready(read(&row))).try_collect().await
        };
        timeout(ANSWER, reading).await.unwrap_or_else(|_| Err(StoreError::timeout()))
    }

    /// Runs several statements in one round trip, the last of them `COMMIT` if `commit` says so,
    /// and returns each one's rows.
    ///
    /// In a transaction the first error is the one that counts: whatever follows it only says that
    /// the transaction has failed, and a `COMMIT` behind it rolls back.
    pub(crate) async fn pipeline(
        &self,
        steps: Vec<Step<'_>>,
        commit: bool,
    ) -> Result<Vec<Vec<Row>>, StoreError> {
        let client = self.client()?;
        let mut answers = Vec::with_capacity(steps.len() + 1);
        for step in steps {
            let statement = self.prepare(step.sql).await?;
            answers.push(async move { client.query(&statement, &step.references()).await }.boxed());
        }
        if commit {
            answers.push(async move { client.batch_execute("COMMIT").await.map(|()| Vec::new()) }.boxed());
        }
        in_time(in_order(answers)).await
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        match self.connection.take() {
            Some(connection) if !self.clean => drop(Object::take(connection)),
            _ => {}
        }
    }
}

/// An answer of the server, or [`StoreError::Away`] if it doesn't come.
pub(crate) async fn in_time<T>(answer: impl Future<Output = Result<T, Error>>) -> Result<T, StoreError> {
    match timeout(ANSWER, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(StoreError::timeout()),
    }
}

/// Starts all of them in their order (a statement is sent when its future is first polled), then
/// awaits them in their order, which is the order of the answers.
async fn in_order<T>(futures: Vec<BoxFuture<'_, Result<T, Error>>>) -> Result<Vec<T>, Error> {
    let mut started = Vec::with_capacity(futures.len());
    for mut future in futures {
        let early = futures_util::poll!(&mut future);
        started.push((future, early));
    }
    let mut results = Vec::with_capacity(started.len());
    for (future, early) in started {
        results.push(match early {
            Poll::Ready(result) => result,
            Poll::Pending => future.await,
        });
    }
    results.into_iter().collect()
}
