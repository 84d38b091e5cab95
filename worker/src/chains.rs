//! The audit chains of a lane: one for each transaction that is under way, so that no two share a head.

use std::sync::{Arc, Mutex, PoisonError};

use epro_store::AuditChain;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Transactions of one lane at the same time: while one waits for the disk another one keeps PostgreSQL busy;
/// more would only wait for each other.
const COMMITS: usize = 3;

/// Chains that nobody uses now.
#[derive(Clone)]
pub(crate) struct Chains {
    name: Arc<str>,
    free: Arc<Mutex<Vec<AuditChain>>>,
    commits: Arc<Semaphore>,
}

/// A chain in use; it goes back when this is dropped.
pub(crate) struct Borrowed {
    chain: Option<AuditChain>,
    chains: Chains,
    // Goes back after the chain.
    _commit: Option<OwnedSemaphorePermit>,
}

impl Chains {
    /// Chains of the writer `name`, made when they are first needed.
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.into(), free: Arc::default(), commits: Arc::new(Semaphore::new(COMMITS)) }
    }

    /// One that nobody else uses, once fewer than [`COMMITS`] are in use.
    pub(crate) async fn take(&self) -> Borrowed {
        // The semaphore is never closed.
        let commit = Arc::clone(&self.commits).acquire_owned().await.ok();
        let chain = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let chain = chain.unwrap_or_else(|| AuditChain::new(&self.name));
        Borrowed { chain: Some(chain), chains: self.clone(), _commit: commit }
    }
}

impl Borrowed {
    /// The chain itself.
    pub(crate) fn chain(&mut self) -> &mut AuditChain {
        self.chain.get_or_insert_with(|| AuditChain::new(&self.chains.name))
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        if let Some(chain) = self.chain.take() {
            self.chains.free.lock().unwrap_or_else(PoisonError::into_inner).push(chain);
        }
    }
}
