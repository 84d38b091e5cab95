//! Who was told while that could not be written down.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use epro_store::alerts::Target;
use tokio::time::Instant;
use uuid::Uuid;

/// Most alerts that are remembered; above it the one that was told longest ago is forgotten.
const MOST: usize = 10_000;

/// What was told and isn't recorded. It lasts as long as the process; what outlives it travels in the
/// parked messages.
#[derive(Default)]
pub(super) struct Memory {
    told: Mutex<HashMap<Uuid, (Instant, Vec<Target>)>>,
}

impl Memory {
    /// Remembers that these were told of an alert.
    pub(super) fn add(&self, alert: Uuid, targets: &[Target]) {
        if targets.is_empty() {
            return;
        }
        let mut told = self.told();
        if told.len() >= MOST && !told.contains_key(&alert) {
            let oldest = told.iter().min_by_key(|(_, (at, _))| *at).map(|(alert, _)| *alert);
            oldest.and_then(|alert| told.remove(&alert));
        }
        let (_, known) = told.entry(alert).or_insert_with(|| (Instant::now(), Vec::new()));
        for target in targets {
            if !known.contains(target) {
                known.push(target.clone());
            }
        }
    }

    /// Who was told of an alert.
    pub(super) fn of(&self, alert: Uuid) -> Vec<Target> {
        self.told().get(&alert).map(|(_, targets)| targets.clone()).unwrap_or_default()
    }

    /// It is recorded now.
    pub(super) fn forget(&self, alert: Uuid) {
        self.told().remove(&alert);
    }

    fn told(&self) -> MutexGuard<'_, HashMap<Uuid, (Instant, Vec<Target>)>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(recipient: &str) -> Target {
        Target { channel: "sms".into(), recipient: recipient.into() }
    }

    #[test]
    fn what_was_told_is_known_until_it_is_recorded() {
        let (memory, alert) = (Memory::default(), Uuid::from_u128(1));
        memory.add(alert, &[target("lee")]);
        memory.add(alert, &[target("lee"), target("cho")]);
        assert_eq!(memory.of(alert), [target("lee"), target("cho")]);
        memory.forget(alert);
        assert!(memory.of(alert).is_empty());
    }

    #[test]
    fn it_never_grows_beyond_its_bound_and_forgets_the_oldest_first() {
        let memory = Memory::default();
        for number in 0..=MOST as u128 {
            memory.add(Uuid::from_u128(number), &[target("lee")]);
        }
        assert_eq!(memory.told().len(), MOST);
        assert!(memory.of(Uuid::from_u128(0)).is_empty());
        assert_eq!(memory.of(Uuid::from_u128(MOST as u128)), [target("lee")]);
    }
}
