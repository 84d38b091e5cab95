//! Starts of messages that were handed out before: each is counted before anything is done about its message, and taken
//! back by whoever outlives it. What nobody takes back, a crash has ended.
//!
//! PostgreSQL may be away just when a start is to be taken back, and the message goes on all the same. So the process
//! owes it, and pays as soon as it can: in any case before it starts the same message once more. And before a message
//! is set aside for its starts, others who may owe some of them get the time to pay. An outage adds to no count, unless
//! a process has to leave in it: what it owes then looks like a crash. Nor is a start owed yet that is still in hand:
//! where the connection to the broker is lost meanwhile, others are handed its message before anything is said of it.
//!
//! A start that ended in a panic is no matter of waiting: its process lives, and says so ([`End::Harmed`]).
//!
//! A message may be parked while its start is owed. It comes again as if it were new, and its debtor may have been killed
//! meanwhile. So the commit of one that has waited forgets whatever is counted of it ([`key_of_waited`]).

mod owed;

use std::sync::Arc;
use std::time::Duration;

use epro_broker::Delivery;
use epro_store::suspects::Counted;
use epro_store::{Store, StoreError};
use tokio::time::Instant;
use uuid::Uuid;

use crate::backoff;
use crate::hold::{GivenUp, Hold, until_done};
use owed::{Debt, End, Owed};

/// A message that was started so often, and never finished, is set aside.
pub(crate) const MOST_STARTS: i32 = 3;
/// How long one try to pay may take: longer than the store needs to find that an idle connection is dead (2 s), as
/// otherwise each try would meet the next of them.
const A_TRY: Duration = Duration::from_secs(3);
/// So long others have, once PostgreSQL is back, to take back what they outlived: longer than a debtor needs at most
/// after an outage, who has just begun a try that comes to nothing ([`A_TRY`]), waits for the next
/// ([`backoff::LONGEST`]), and pays by that ([`A_TRY`]); and a second for whatever delays it.
const OTHERS: Duration = Duration::from_secs(2 * A_TRY.as_secs() + backoff::LONGEST.as_secs() + 1);
/// How often to look meanwhile whether they have.
const LOOK: Duration = Duration::from_millis(200);
/// How long after a start was given up it may still be counted: much longer than PostgreSQL works on a statement.
const LATE: Duration = Duration::from_secs(30);
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
    /// What is counted of its message, this one among it.
    counted: Counted,
    /// It was asked for once, and that was answered: nothing of it is on its way any more.
    sure: bool,
    end: End,
    owed: Arc<Owed>,
}

/// What the starts of a message are counted under, if it has waited: some may be counted though it wasn't handed out
/// before, and the commit that decides about it forgets them.
pub(crate) fn key_of_waited(delivery: &Delivery) -> Option<Uuid> {
    delivery.waited().and(delivery.message_id())
}

impl Starts {
    /// Of a process that has made none yet.
    pub(crate) fn new(store: Store) -> Self {
        Self { store, owed: Arc::default() }
    }

    /// Counts a start of a message that was handed out before, before anything is done about it; where it would be set
    /// aside for that, once others have had the time to pay.
    pub(crate) async fn start(&self, key: Uuid, lane: &'static str, hold: &Hold) -> Result<Start, GivenUp> {
        let start = self.count(key, lane, hold).await?;
        self.once_others_paid(start, hold).await
    }

    /// Counts a start, and waits for nobody.
    pub(crate) async fn count(&self, key: Uuid, lane: &'static str, hold: &Hold) -> Result<Start, GivenUp> {
        until_done!(hold, "suspect", self.pay(Some(key)))?;
        // Made first: it may be counted though nobody is told so.
        let mut start = Start::of(key, Arc::clone(&self.owed));
        let mut asked = 0;
        start.counted = until_done!(hold, "suspect", {
            asked += 1;
            self.store.suspect(key, lane, start.id)
        })?;
        start.sure = asked == 1;
        Ok(start)
    }

    /// The same start, once everybody who lives has had the time to say what they outlived: at once if nobody is to say
    /// anything, or somebody has.
    ///
    /// How old the others' starts are tells nothing: an outage between them and now may have lasted longer. So the time
    /// runs from now, and from anew if PostgreSQL goes away meanwhile.
    pub(crate) async fn once_others_paid(&self, mut start: Start, hold: &Hold) -> Result<Start, GivenUp> {
        let mut until = Instant::now() + OTHERS;
        while start.waits_for_others() && Instant::now() < until {
            tokio::select! {
                () = hold.shutdown.requested() => return Err(GivenUp::HoldOver),
                () = tokio::time::sleep(LOOK) => {}
            }
            let (looked, mut asked) = (Instant::now(), 0);
            // An earlier start of our own may have been counted late.
            until_done!(hold, "suspect", {
                asked += 1;
                self.pay(Some(start.key))
            })?;
            start.counted = until_done!(hold, "suspect", {
                asked += 1;
                self.store.counted(start.key)
            })?;
            if asked > 2 || looked.elapsed() > A_TRY {
                until = Instant::now() + OTHERS;
            }
        }
        Ok(start)
    }

    /// Pays whatever is owed, from now on. Never ends.
    pub(crate) async fn keep_paying(self) {
        loop {
            self.owed.to_be_paid().await;
            self.pay_all().await;
        }
    }

    /// The process leaves: what it owes now would stay counted.
    pub(crate) async fn last_word(&self) {
        if tokio::time::timeout(LAST_WORD, self.pay_all()).await.is_err() {
            let starts = self.owed.unpaid();
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

    /// Pays what is owed of one message, or of all of them.
    async fn pay(&self, of: Option<Uuid>) -> Result<(), StoreError> {
        let (began, debts) = (Instant::now(), self.owed.debts(of));
        if debts.is_empty() {
            return Ok(());
        }
        tokio::time::timeout(A_TRY, self.tell(&debts)).await.unwrap_or(Err(StoreError::SILENT))?;
        self.owed.paid(&debts, began);
        Ok(())
    }

    async fn tell(&self, debts: &[Debt]) -> Result<(), StoreError> {
        let [outlived, harmed, acquitted] =
            [End::Outlived, End::Harmed, End::Acquitted].map(|end| starts(debts, end));
        if !outlived.is_empty() {
            self.store.outlived(&outlived).await?;
        }
        if !harmed.is_empty() {
            self.store.harmed(&harmed).await?;
        }
        if !acquitted.is_empty() {
            // No id is of two messages: they can go in one.
            let known: Vec<Uuid> = debts
                .iter()
                .filter(|debt| debt.end == End::Acquitted)
                .flat_map(|debt| debt.known.iter().copied())
                .collect();
            self.store.acquitted(&acquitted, &known).await?;
        }
        Ok(())
    }
}

/// Those that ended so, each with the key of its message.
fn starts(debts: &[Debt], end: End) -> Vec<(Uuid, Uuid)> {
    debts.iter().filter(|debt| debt.end == end).map(|debt| (debt.key, debt.id)).collect()
}

impl Start {
    fn of(key: Uuid, owed: Arc<Owed>) -> Self {
        let (id, counted, end) = (Uuid::now_v7(), Counted::default(), End::Outlived);
        Self { key, id, counted, sure: false, end, owed }
    }

    /// What its message is known by.
    pub(crate) fn key(&self) -> Uuid {
        self.key
    }

    /// How many starts of its message are counted, this one among them.
    pub(crate) fn count(&self) -> i32 {
        self.counted.starts
    }

    /// Whether its message would be set aside, and others may still say that they outlived it.
    pub(crate) fn waits_for_others(&self) -> bool {
        self.count() >= MOST_STARTS && self.counted.open.iter().any(|id| *id != self.id)
    }

    /// The message did harm, though the process lives: a stage panicked over it.
    pub(crate) fn stays(mut self) {
        self.end = End::Harmed;
    }

    /// The commit that decided about its message has forgotten it, and whatever was counted.
    pub(crate) fn forgotten(mut self) {
        self.end = End::Forgotten;
    }

    /// Its message was decided about without harm, beside the rows that forget it: nothing that was counted of it until
    /// now may add up to a quarantine.
    pub(crate) fn acquit(&mut self) {
        self.end = End::Acquitted;
    }
}

impl Drop for Start {
    fn drop(&mut self) {
        let ended = if std::thread::panicking() { End::Harmed } else { self.end };
        let end = match ended {
            // A try that comes late would count it once more, unless its id is there still.
            End::Harmed if !self.sure => return,
            End::Forgotten if self.sure => return,
            End::Forgotten => End::Outlived,
            End::Outlived | End::Harmed | End::Acquitted => ended,
        };
        let doubted_until = (!self.sure).then(|| Instant::now() + LATE);
        let known = std::mem::take(&mut self.counted.open);
        self.owed.owe(Debt { key: self.key, id: self.id, end, known, doubted_until, paid: false });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(owed: &Arc<Owed>) -> Start {
        let mut start = Start::of(Uuid::from_u128(7), Arc::clone(owed));
        start.counted = Counted { starts: 1, open: vec![start.id] };
        start.sure = true;
        start
    }

    fn ends(owed: &Owed) -> Vec<End> {
        owed.debts(None).iter().map(|debt| debt.end).collect()
    }

    #[test]
    fn whatever_ends_a_start_but_a_panic_was_outlived() {
        let all = Arc::new(Owed::default());
        drop(started(&all));
        // As when a lane leaves in the middle of it.
        let mut abandoned = Box::pin(async {
            let _start = started(&all);
            std::future::pending::<()>().await;
        });
        assert!(futures_util::FutureExt::now_or_never(&mut abandoned).is_none());
        drop(abandoned);
        assert_eq!(ends(&all), [End::Outlived; 2]);
    }

    #[test]
    fn a_panic_is_known_harm_of_which_others_are_told() {
        let all = Arc::new(Owed::default());
        started(&all).stays();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _start = started(&all);
            panic!("over this message");
        }));
        assert!(panicked.is_err());
        assert_eq!(ends(&all), [End::Harmed; 2]);
    }

    #[test]
    fn harm_of_a_start_that_may_come_late_keeps_its_id() {
        let all = Arc::new(Owed::default());
        let mut start = started(&all);
        start.sure = false;
        start.stays();
        assert!(ends(&all).is_empty());
    }

    #[test]
    fn of_a_start_that_a_commit_forgets_nothing_is_said_unless_it_may_come_late() {
        let all = Arc::new(Owed::default());
        started(&all).forgotten();
        assert!(ends(&all).is_empty());
        let mut start = started(&all);
        start.sure = false;
        start.forgotten();
        assert_eq!(ends(&all), [End::Outlived]);
    }

    #[test]
    fn who_is_acquitted_says_what_was_known_of_its_message() {
        let all = Arc::new(Owed::default());
        let mut start = started(&all);
        start.counted.open.push(Uuid::from_u128(1));
        let known = start.counted.open.clone();
        start.acquit();
        drop(start);
        assert_eq!(ends(&all), [End::Acquitted]);
        assert_eq!(all.debts(None)[0].known, known);
    }

    #[test]
    fn a_start_waits_for_others_only_where_it_would_be_the_last_and_they_may_still_speak() {
        let mut start = started(&Arc::default());
        let (own, other) = (start.id, Uuid::from_u128(1));
        let mut waits = |starts, open: &[Uuid]| {
            start.counted = Counted { starts, open: open.to_vec() };
            start.waits_for_others()
        };
        assert!(waits(3, &[other, own]));
        assert!(!waits(2, &[other, own]), "it is not the last");
        assert!(!waits(3, &[own]), "what the others did is known");
    }
}
