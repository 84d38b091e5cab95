//! The seal keys that are in force: a rotation reaches the console without a restart, and whatever it works at by then.

use std::sync::{Arc, OnceLock};

use epro_process::config::{KeysConfig, told};
use epro_schemas::seal::KeyRing;

/// The keys. Without any a console still shows its pages, and reveals and redrives nothing.
#[derive(Default)]
pub(crate) struct SealKeys(OnceLock<Arc<KeyRing>>);

impl SealKeys {
    /// As the configuration has them now.
    pub(crate) fn read(config: &KeysConfig) -> Self {
        let keys = Self::default();
        match config.ring() {
            Ok(ring) => keys.take(ring),
            Err(problems) => tracing::warn!("nothing can be revealed or redriven: {}", told(&problems)),
        }
        keys
    }

    /// The ring; what is taken later is on it as well.
    pub(crate) fn ring(&self) -> Option<Arc<KeyRing>> {
        self.0.get().cloned()
    }

    /// Puts these in the place of those that are there.
    pub(crate) fn take(&self, new: KeyRing) {
        match self.0.get() {
            Some(ring) => ring.replace(new),
            // One task takes them, so nobody was faster.
            None => drop(self.0.set(Arc::new(new))),
        }
    }
}

#[cfg(test)]
mod tests {
    use epro_schemas::key::SecretKey;

    use super::*;

    fn ring(current: &str) -> KeyRing {
        let keys = ["k1", "k2"].map(|id| (id.to_owned(), SecretKey::new([7; 32])));
        KeyRing::new(current, keys.into()).unwrap()
    }

    #[test]
    fn keys_that_come_later_are_on_the_ring_that_somebody_works_with() {
        let keys = SealKeys::default();
        assert!(keys.ring().is_none());
        keys.take(ring("k1"));
        let held = keys.ring().unwrap();
        keys.take(ring("k2"));
        assert_eq!(held.current_id(), "k2");
    }
}
