//! What a process needs before it may be given work, part by part.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// All parts of a process. Ready when each is; a process without parts is not ready. Cheap to
/// clone.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    parts: Arc<Mutex<BTreeMap<&'static str, Option<String>>>>,
}

/// One part of a process, as `broker` or `lane submissions`; not ready until it says so.
#[derive(Debug, Clone)]
pub struct Part {
    name: &'static str,
    readiness: Readiness,
}

impl Readiness {
    /// Without parts.
    pub fn new() -> Self {
        Self::default()
    }

    /// A part of that name, not ready because it is "starting".
    pub fn part(&self, name: &'static str) -> Part {
        self.lock().insert(name, Some("starting".into()));
        Part { name, readiness: self.clone() }
    }

    /// Whether every part is ready.
    pub fn is_ready(&self) -> bool {
        let parts = self.lock();
        !parts.is_empty() && parts.values().all(Option::is_none)
    }

    /// Each part with `ready`, or the reason why it is not.
    pub fn parts(&self) -> BTreeMap<&'static str, String> {
        let ready = || "ready".to_owned();
        self.lock().iter().map(|(name, reason)| (*name, reason.clone().unwrap_or_else(ready))).collect()
    }

    fn set(&self, name: &'static str, reason: Option<String>) {
        let before = self.lock().insert(name, reason.clone()).flatten();
        match (&before, &reason) {
            (Some(_), None) => tracing::info!(part = name, "ready"),
            (was, Some(reason)) if was.as_ref() != Some(reason) => {
                tracing::warn!(part = name, reason, "not ready");
            }
            _ => {}
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, Option<String>>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Part {
    /// This part can work.
    pub fn ready(&self) {
        self.readiness.set(self.name, None);
    }

    /// This part can't work now. The reason is for the operator and holds no value of a patient.
    pub fn not_ready(&self, reason: impl Into<String>) {
        self.readiness.set(self.name, Some(reason.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ready_once_every_part_is() {
        let readiness = Readiness::new();
        assert!(!readiness.is_ready());
        let (broker, store) = (readiness.part("broker"), readiness.part("store"));
        broker.ready();
        assert!(!readiness.is_ready());
        store.ready();
        assert!(readiness.is_ready());
        broker.not_ready("away");
        assert!(!readiness.is_ready());
        assert_eq!(readiness.parts()["broker"], "away");
    }
}
