//! What a process has to say about its starts, until PostgreSQL knows it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

/// How a start ended, other than with its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It was outlived: it is taken back.
    Outlived,
    /// Its message made a stage panic: it stays counted, and nobody needs to wait for a word about it.
    Harmed,
    /// Its message was decided about: whatever was known of it is taken back.
    Acquitted,
    /// The commit of its message forgets it: nothing is owed.
    Forgotten,
}

/// A start about which something is still to be said.
#[derive(Clone)]
pub(super) struct Debt {
    /// The key of its message.
    pub key: Uuid,
    pub id: Uuid,
    pub end: End,
    /// The ids that were counted of its message.
    pub known: Vec<Uuid>,
    /// Until then it may be counted later than it is paid: so it is paid once more.
    pub doubted_until: Option<Instant>,
    /// It was paid, and is doubted.
    pub paid: bool,
}

/// All of them, by their ids.
#[derive(Default)]
pub(super) struct Owed {
    debts: Mutex<BTreeMap<Uuid, Debt>>,
    more: Notify,
}

impl Owed {
    pub(super) fn owe(&self, debt: Debt) {
        self.all().insert(debt.id, debt);
        self.more.notify_one();
    }

    /// Waits until there is something to pay, or to pay once more.
    pub(super) async fn to_be_paid(&self) {
        let doubted_until = self.all().values().filter_map(|debt| debt.doubted_until).min();
        let doubt_is_over = async {
            match doubted_until {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.more.notified() => {}
            () = doubt_is_over => {}
        }
    }

    /// Those of one message, or of all of them.
    pub(super) fn debts(&self, of: Option<Uuid>) -> Vec<Debt> {
        self.all().values().filter(|debt| of.is_none_or(|of| of == debt.key)).cloned().collect()
    }

    /// These were paid by a try that began then.
    pub(super) fn paid(&self, debts: &[Debt], began: Instant) {
        let mut all = self.all();
        for debt in debts {
            if debt.doubted_until.is_none_or(|until| until <= began) {
                all.remove(&debt.id);
            } else if let Some(doubted) = all.get_mut(&debt.id) {
                doubted.paid = true;
            }
        }
    }

    /// How many were not paid at all.
    pub(super) fn unpaid(&self) -> usize {
        self.all().values().filter(|debt| !debt.paid).count()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<Uuid, Debt>> {
        self.debts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn owe(owed: &Owed, id: u128, doubted_until: Option<Instant>) {
        let (key, id, end) = (Uuid::from_u128(7), Uuid::from_u128(id), End::Outlived);
        owed.owe(Debt { key, id, end, known: Vec::new(), doubted_until, paid: false });
    }

    #[test]
    fn what_may_be_counted_later_than_it_is_paid_is_paid_once_more() {
        let (owed, now) = (Owed::default(), Instant::now());
        owe(&owed, 1, None);
        owe(&owed, 2, Some(now + Duration::from_secs(1)));
        owed.paid(&owed.debts(None), now);
        let left = owed.debts(None);
        assert_eq!(left.iter().map(|debt| debt.id).collect::<Vec<_>>(), [Uuid::from_u128(2)]);
        assert_eq!(owed.unpaid(), 0);
        owed.paid(&left, now + Duration::from_secs(1));
        assert!(owed.debts(None).is_empty());
    }

    #[test]
    fn what_is_owed_since_the_try_began_is_not_paid_by_it() {
        let (owed, now) = (Owed::default(), Instant::now());
        owe(&owed, 1, None);
        let debts = owed.debts(None);
        owe(&owed, 2, None);
        owed.paid(&debts, now);
        assert_eq!((owed.debts(None).len(), owed.unpaid()), (1, 1));
        assert!(owed.debts(Some(Uuid::from_u128(8))).is_empty());
    }
}
