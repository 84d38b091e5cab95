//! Holding a chunk in hand while PostgreSQL can't take it: with backoff, for a bounded time.

use std::time::Duration;

use epro_process::shutdown::Shutdown;
use epro_store::StoreError;
use tokio::time::Instant;

use crate::backoff;
use crate::seldom::Seldom;

/// Every lane notices the same absence at every chunk.
static HOLDING: Seldom = Seldom::new();

/// How long a lane holds what it has in hand.
#[derive(Clone)]
pub(crate) struct Hold {
    /// The longest hold.
    pub at_most: Duration,
    /// The longest that one try may take, where a silent server must not cost more.
    pub a_try: Option<Duration>,
    /// Ends every hold at once.
    pub shutdown: Shutdown,
}

/// Why an operation of the store was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GivenUp {
    /// One row is to blame: SQLSTATE class 22 or 23.
    Row(StoreError),
    /// The hold is over, or the process drains.
    HoldOver,
}

impl Hold {
    /// The same for what can't wait: long enough for a deadlock to pass, no longer.
    pub(crate) fn brief(&self) -> Self {
        let second = Duration::from_secs(1);
        Self { at_most: self.at_most.min(second), a_try: Some(2 * second), shutdown: self.shutdown.clone() }
    }

    /// The tries of one operation.
    pub(crate) fn tries(&self, what: &'static str) -> Tries {
        Tries {
            hold: self.clone(),
            what,
            since: Instant::now(),
            delays: Box::new(backoff::steady()),
            failed: 0,
        }
    }
}

/// The tries of one operation of the store; see [`until_done`].
pub(crate) struct Tries {
    hold: Hold,
    what: &'static str,
    since: Instant,
    delays: Box<dyn Iterator<Item = Duration> + Send>,
    failed: u32,
}

impl Tries {
    /// Awaits one try. `None`: try again. It has waited for that already.
    pub(crate) async fn next<T>(
        &mut self,
        a_try: impl Future<Output = Result<T, StoreError>>,
    ) -> Option<Result<T, GivenUp>> {
        let answer = tokio::time::timeout(self.hold.a_try.unwrap_or(Duration::MAX), a_try).await;
        let error = match answer.unwrap_or(Err(StoreError::SILENT)) {
            Ok(done) => return Some(Ok(done)),
            Err(error @ StoreError::Row { .. }) => return Some(Err(GivenUp::Row(error))),
            Err(error @ (StoreError::Retry { .. } | StoreError::Away { .. })) => error,
        };
        let what = self.what;
        metrics::counter!("epro_store_holds_total", "what" => what).increment(1);
        if self.failed == 0 && HOLDING.is_due() {
            tracing::warn!(what, %error, "PostgreSQL can't take it now, holding");
        }
        self.failed += 1;
        let delay = self.delays.next().unwrap_or(backoff::LONGEST);
        if self.since.elapsed() + delay > self.hold.at_most {
            return Some(Err(GivenUp::HoldOver));
        }
        tokio::select! {
            () = self.hold.shutdown.requested() => Some(Err(GivenUp::HoldOver)),
            () = tokio::time::sleep(delay) => None,
        }
    }
}

/// Tries an operation of the store until it succeeds, a row is to blame, or the hold is over.
///
/// A macro, as each try is a new future that borrows what the last one did.
macro_rules! until_done {
    ($hold:expr, $what:literal, $operation:expr) => {{
        let mut tries = $hold.tries($what);
        loop {
            if let Some(result) = tries.next($operation).await {
                break result;
            }
        }
    }};
}
pub(crate) use until_done;
