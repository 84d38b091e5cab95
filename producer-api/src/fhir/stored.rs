//! Waiting for the store, for clients that expect 201.

use std::time::Duration;

use epro_store::responses::{Content, Fate};
use tokio::time::{Instant, sleep_until, timeout_at};
use uuid::Uuid;

use crate::door::Door;

/// How long a client may wait for the store after the broker has it.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// Between the first two looks; each further pause is half as long again.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// What is going to be stored.
pub(super) struct Expected {
    pub(super) submission_id: Uuid,
    pub(super) pseudonym: Uuid,
    pub(super) message_id: Uuid,
    pub(super) content: Content,
}

/// What became of it by `until`; `None` if nothing did, PostgreSQL is away, or too many are waiting:
/// the broker has it all the same.
pub(super) async fn fate(door: &Door, expected: &Expected, until: Instant) -> Option<Fate> {
    let _waiter = door.waiters.try_acquire().ok()?;
    let Expected { submission_id, pseudonym, message_id, content } = expected;
    let mut pause = FIRST_PAUSE;
    // A look that is cut off costs its connection: none begins too late.
    while Instant::now() < until {
        let look = door.store.fate(*submission_id, *pseudonym, *message_id, content);
        match timeout_at(until, look).await {
            Ok(Ok(Some(fate))) => return Some(fate),
            Ok(Ok(None)) => {}
            Ok(Err(error)) => {
                tracing::debug!(%error, "what became of a submission could not be looked up");
                return None;
            }
            Err(_) => return None,
        }
        sleep_until(until.min(Instant::now() + pause)).await;
        pause = pause * 3 / 2;
    }
    None
}
