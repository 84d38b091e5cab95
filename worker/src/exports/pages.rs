//! The rows of an export, one page in hand while the next ones are fetched.

use std::collections::VecDeque;
use std::sync::Arc;
use std::vec::IntoIter;

use epro_store::exports::{ExportJob, ExportRow, PageKey};
use epro_store::{Store, StoreError};
use tokio::task::JoinSet;

use super::trouble::Trouble;

/// Pages that are fetched at once, each on a connection of its own: looking rows up one by one is what takes long.
const AHEAD: usize = 2;

/// Rows in the order of their keys. One page more than are fetched is in memory.
pub(super) struct Pages {
    store: Store,
    job: Arc<ExportJob>,
    hand: IntoIter<ExportRow>,
    /// In their order; in each set one task.
    fetched: VecDeque<JoinSet<Result<Vec<ExportRow>, StoreError>>>,
    /// Behind which key the next page begins; `None`: the last one is fetched.
    after: Option<PageKey>,
}

impl Pages {
    /// Begins behind `after`.
    pub(super) fn after(store: &Store, job: &Arc<ExportJob>, after: PageKey) -> Self {
        Self {
            store: store.clone(),
            job: Arc::clone(job),
            hand: Vec::new().into_iter(),
            fetched: VecDeque::new(),
            after: Some(after),
        }
    }

    /// The next row; `None`: that was the last one.
    pub(super) async fn next(&mut self) -> Result<Option<ExportRow>, Trouble> {
        loop {
            if let Some(row) = self.hand.next() {
                return Ok(Some(row));
            }
            if self.fetched.is_empty() {
                self.fetch().await?;
            }
            let Some(mut first) = self.fetched.pop_front() else { return Ok(None) };
            self.fetch().await?;
            self.hand = match first.join_next().await {
                Some(Ok(page)) => page?.into_iter(),
                _ => return Err(Trouble::Row("a page of rows can't be read")),
            };
        }
    }

    async fn fetch(&mut self) -> Result<(), StoreError> {
        while self.fetched.len() < AHEAD
            && let Some(after) = self.after
        {
            let end = self.store.export_page_end(&self.job, after).await?;
            let (store, job) = (self.store.clone(), Arc::clone(&self.job));
            let mut page = JoinSet::new();
            page.spawn(async move { store.export_page(&job, after, end).await });
            self.fetched.push_back(page);
            self.after = end;
        }
        Ok(())
    }
}
