//! The audit chains of a lane: one for each chunk that is under way, so that no two share a head.

use std::sync::{Arc, Mutex, PoisonError};

use epro_store::AuditChain;

/// Chains that nobody uses now.
#[derive(Clone)]
pub(crate) struct Chains {
    name: Arc<str>,
    free: Arc<Mutex<Vec<AuditChain>>>,
}

/// A chain in use; it goes back when this is dropped.
pub(crate) struct Borrowed {
    chain: Option<AuditChain>,
    chains: Chains,
}

impl Chains {
    /// Chains of the writer `name`, made when they are first needed.
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.into(), free: Arc::default() }
    }

    /// One that nobody else uses.
    pub(crate) fn take(&self) -> Borrowed {
        let chain = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Borrowed { chain: Some(chain.unwrap_or_else(|| AuditChain::new(&self.name))), chains: self.clone() }
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
