//! Starts of messages that were handed out before: each is counted before anything is done about its message, and taken
//! back by whoever outlives it. What nobody takes back, a crash has ended.
//!
//! PostgreSQL may be away just when a start is to be taken back, and the message goes on all the same. So the process
//! owes it, and pays as soon as it can: in any case before it starts the same message once more. And before a message
//! is set aside for its starts, others who may owe some of them get the time to pay. An outage adds to no count, unless
//! a process has to leave in it: what it owes then looks like a crash.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use epro_store::{Store, StoreError};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::backoff;
use crate::hold::{GivenUp, Hold, until_done};

/// A message that was started so often, and never finished, is set aside.
pub(crate) const MOST_STARTS: i32 = 3;
/// So long others have, once PostgreSQL is back, to take back what they outlived: more than two of their tries.
const OTHERS: Duration = Duration::from_secs(2 * backoff::LONGEST.as_secs() + 1);
/// How long a process that leaves may try to pay.
const LAST_WORD: Duration = Duration::from_secs(2);

/// The starts of this process.
#[derive(Clone)]
pub(crate) struct Starts {
    store: Store,
    owed: Arc<Owed>,
}

/// A start that is counted. Dropped, it was outlived, and is taken back; unless a panic is what drops it.
#[must_use]
pub(crate) struct Start {
    key: Uuid,
    id: Uuid,
    /// All that were counted of this message, this one among them.
    known: Vec<Uuid>,
    count: i32,
    stays: bool,
    owed: Arc<Owed>,
}

/// Starts that were outlived and may still be counted: each the key of its message, and its id.
#[derive(Default)]
struct Owed {
    starts: Mutex<BTreeSet<(Uuid, Uuid)>>,
    more: Notify,
}

impl Starts {
    /// Of a process that has made none yet.
    pub(crate) fn new(store: Store) -> Self {
        Self { store, owed: Arc::default() }
    }

    /// Counts a start of a message that was handed out before, before anything is done about it.
    pub(crate) async fn start(&self, key: Uuid, lane: &'static str, hold: &Hold) -> Result<Start, GivenUp> {
        until_done!(hold, "suspect", self.pay(Some(key)))?;
        // Made first: it may be counted though nobody is told so.
        let mut start = Start::of(key, Arc::clone(&self.owed));
        let counted = until_done!(hold, "suspect", self.store.suspect(key, lane, start.id))?;
        (start.count, start.known) = (counted.starts, counted.open);
        if start.count >= MOST_STARTS {
            start.count = self.once_others_paid(key, hold).await?;
        }
        Ok(start)
    }

    /// How many are counted, once everybody who lives has had the time to say so.
    async fn once_others_paid(&self, key: Uuid, hold: &Hold) -> Result<i32, GivenUp> {
        tokio::select! {
            () = hold.shutdown.requested() => return Err(GivenUp::HoldOver),
            () = tokio::time::sleep(OTHERS) => {}
        }
        until_done!(hold, "suspect", self.store.starts(key))
    }

    /// Pays whatever is owed, from now on. Never ends.
    pub(crate) async fn keep_paying(self) {
        loop {
            self.owed.more.notified().await;
            self.pay_all().await;
        }
    }

    /// The process leaves: what it owes now would stay counted.
    pub(crate) async fn last_word(&self) {
        if tokio::time::timeout(LAST_WORD, self.pay_all()).await.is_err() {
            let starts = self.owed.starts().len();
            tracing::warn!(starts, "leaving with starts that stay counted: PostgreSQL is away");
        }
    }

    async fn pay_all(&self) {
        for delay in backoff::steady() {
            match self.pay(None).await {
                Ok(()) => return,
                Err(error) => tracing::debug!(%error, "starts that were outlived stay counted for now"),
            }
            tokio::time::sleep(delay.min(backoff::LONGEST)).await;
        }
    }

    /// Takes back what is owed of one message, or of all of them.
    async fn pay(&self, of: Option<Uuid>) -> Result<(), StoreError> {
        let owed: Vec<_> =
            self.owed.starts().iter().copied().filter(|(key, _)| of.is_none_or(|of| of == *key)).collect();
        if owed.is_empty() {
            return Ok(());
        }
        self.store.outlived(&owed).await?;
        let mut starts = self.owed.starts();
        for paid in &owed {
            starts.remove(paid);
        }
        Ok(())
    }
}

impl Start {
    fn of(key: Uuid, owed: Arc<Owed>) -> Self {
        Self { key, id: Uuid::now_v7(), known: Vec::new(), count: 0, stays: false, owed }
    }

    /// What its message is known by.
    pub(crate) fn key(&self) -> Uuid {
        self.key
    }

    /// How many starts of its message are counted, this one among them.
    pub(crate) fn count(&self) -> i32 {
        self.count
    }

    /// The message did harm, though the process lives: a stage panicked over it.
    pub(crate) fn stays(mut self) {
        self.stays = true;
    }

    /// Its message was decided about without harm, beside the rows that forget it: nothing that was counted of it until
    /// now may add up to a quarantine.
    pub(crate) fn acquit(&self) {
        self.owed.owe(self.known.iter().map(|id| (self.key, *id)));
    }
}

impl Drop for Start {
    fn drop(&mut self) {
        if !self.stays && !std::thread::panicking() {
            self.owed.owe([(self.key, self.id)]);
        }
    }
}

impl Owed {
    fn owe(&self, starts: impl IntoIterator<Item = (Uuid, Uuid)>) {
        self.starts().extend(starts);
        self.more.notify_one();
    }

    fn starts(&self) -> MutexGuard<'_, BTreeSet<(Uuid, Uuid)>> {
        self.starts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owed(owed: &Owed) -> usize {
        owed.starts().len()
    }

    #[test]
    fn whatever_ends_a_start_but_a_panic_was_outlived_and_is_owed() {
        let all = Arc::new(Owed::default());
        let start = || Start::of(Uuid::from_u128(7), Arc::clone(&all));
        start().stays();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _start = start();
            panic!("over this message");
        }));
        assert!(panicked.is_err() && owed(&all) == 0);
        drop(start());
        assert_eq!(owed(&all), 1);
        // As when a lane leaves in the middle of it.
        let mut abandoned = Box::pin(async {
            let _start = start();
            std::future::pending::<()>().await;
        });
        assert!(futures_util::FutureExt::now_or_never(&mut abandoned).is_none());
        drop(abandoned);
        assert_eq!(owed(&all), 2);
    }

    #[test]
    fn who_is_acquitted_owes_all_that_was_counted_before_and_nothing_twice() {
        let all = Arc::new(Owed::default());
        let mut start = Start::of(Uuid::from_u128(7), Arc::clone(&all));
        start.known = vec![Uuid::from_u128(1), start.id];
        start.acquit();
        assert_eq!(owed(&all), 2);
        drop(start);
        assert_eq!(owed(&all), 2);
    }
}
