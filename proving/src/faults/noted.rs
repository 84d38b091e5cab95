//! What was done to a run and when, for the judge: by the clock that PostgreSQL and the hospital's log go by.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::field::unix_seconds;

/// Times in Unix seconds.
#[derive(Debug, Default)]
pub(super) struct Noted {
    kills: Mutex<Vec<f64>>,
    losses: Mutex<Vec<f64>>,
}

impl Noted {
    /// A worker is about to be killed.
    pub(super) fn kill(&self) {
        lock(&self.kills).push(unix_seconds());
    }

    /// A queue was deleted with all that was in it.
    pub(super) fn loss(&self) {
        lock(&self.losses).push(unix_seconds());
    }

    /// When workers were killed.
    pub(super) fn kills(&self) -> Vec<f64> {
        lock(&self.kills).clone()
    }

    /// When queues were lost.
    pub(super) fn losses(&self) -> Vec<f64> {
        lock(&self.losses).clone()
    }
}

fn lock(times: &Mutex<Vec<f64>>) -> MutexGuard<'_, Vec<f64>> {
    times.lock().unwrap_or_else(PoisonError::into_inner)
}
