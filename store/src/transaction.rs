//! A transaction that ends with its audit rows and `COMMIT`.

use crate::audit::{AuditChain, Head, Record};
use crate::error::StoreError;
use crate::pool::Store;
use crate::session::Session;
use crate::step::Step;
use crate::submissions::Committed;
use tokio_postgres::Row;

/// An open transaction. Dropped before its commit it is rolled back together with its connection,
/// and the chain reads its head from the table next time.
pub(crate) struct Transaction<'c> {
    session: Session,
    chain: &'c mut AuditChain,
    head: Option<Head>,
}

impl<'c> Transaction<'c> {
    /// Begins. From here until the end of [`Transaction::commit`] the chain is stale. `BEGIN` is
    /// awaited by itself: it shows that the connection is alive, and nothing that follows can run
    /// outside of a transaction.
    pub(crate) async fn begin(store: &Store, chain: &'c mut AuditChain) -> Result<Self, StoreError> {
        let head = chain.take_head();
        let session = Session::open_with(store, "BEGIN").await?;
        Ok(Self { session, chain, head })
    }

    /// Runs statements in one round trip and returns each one's rows.
    pub(crate) async fn run(&mut self, steps: Vec<Step<'_>>) -> Result<Vec<Vec<Row>>, StoreError> {
        let answer = self.session.pipeline(steps, false).await;
        self.judged(answer).await
    }

    /// Runs one statement and returns its rows.
    pub(crate) async fn rows(&mut self, step: Step<'_>) -> Result<Vec<Row>, StoreError> {
        Ok(self.run(vec![step]).await?.pop().unwrap_or_default())
    }

    /// Runs `steps`, writes the audit rows and commits, all in one round trip. A stale chain's head
    /// is read first, that is after every statement that may have waited for a lost transaction of
    /// the same chain: what that one wrote is visible by then.
    pub(crate) async fn commit(
        mut self,
        steps: Vec<Step<'_>>,
        records: &[Record<'_>],
    ) -> Result<Committed, StoreError> {
        let head = match self.head.take() {
            Some(head) => head,
            None => {
                if let Some(step) = self.chain.read_login() {
                    let rows = self.rows(step).await?;
                    self.chain.name_login(&rows)?;
                }
                let rows = self.rows(self.chain.read_head()).await?;
                self.chain.head_of(&rows)?
            }
        };
        let entries = self.chain.entries(head, records);
        let steps = steps.into_iter().chain(entries.steps()).collect();
        let answer = self.session.pipeline(steps, true).await;
        self.judged(answer).await?;
        self.chain.give_head(entries.head());
        self.session.done();
        Ok(Committed::after_commit())
    }

    async fn judged<T>(&mut self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Row { .. }) = answer {
            self.session.roll_back().await;
        }
        answer
    }
}
