//! The rows of an export, one page in hand while the next one is fetched.

use std::sync::Arc;
use std::vec::IntoIter;

use epro_store::exports::{ExportJob, ExportPage, ExportRow, PageKey};
use epro_store::{Store, StoreError};
use tokio::task::JoinSet;

use super::trouble::Trouble;

/// Rows in the order of their keys. Two pages at most are in memory.
pub(super) struct Pages {
    store: Store,
    job: Arc<ExportJob>,
    hand: IntoIter<ExportRow>,
    next: JoinSet<Result<ExportPage, StoreError>>,
}

impl Pages {
    /// Begins behind `after`.
    pub(super) fn after(store: &Store, job: &Arc<ExportJob>, after: PageKey) -> Self {
        let mut pages = Self {
            store: store.clone(),
            job: Arc::clone(job),
            hand: Vec::new().into_iter(),
            next: JoinSet::new(),
        };
        pages.fetch(after);
        pages
    }

    /// The next row; `None`: that was the last one.
    pub(super) async fn next(&mut self) -> Result<Option<ExportRow>, Trouble> {
        loop {
            if let Some(row) = self.hand.next() {
                return Ok(Some(row));
            }
            let page = match self.next.join_next().await {
                None => return Ok(None),
                Some(Ok(page)) => page?,
                Some(Err(_)) => return Err(Trouble::Row("a page of rows can't be read")),
            };
            // Nothing of what a page looked at may have been asked for.
            if let Some(next) = page.next {
                self.fetch(next);
            }
            self.hand = page.rows.into_iter();
        }
    }

    fn fetch(&mut self, after: PageKey) {
        let (store, job) = (self.store.clone(), Arc::clone(&self.job));
        self.next.spawn(async move { store.export_page(&job, after).await });
    }
}
