//! A bound that reaches the server: what nobody waits for any more it gives up, too.

use crate::error::StoreError;
use crate::pool::Store;
use crate::session::Session;
use crate::step::Step;
use std::time::Instant;
use tokio_postgres::Row;

/// Waiting for a lock counts. The setting ends with its transaction; it is in force once it was answered.
const BOUND: &str = "SELECT set_config('statement_timeout', $1, true)";

/// From here to the end of its transaction no statement takes longer than there is left now until then. Made when it
/// is sent: whoever waited for a connection has less.
pub(crate) fn bound(until: Instant) -> Step<'static> {
    let left = until.saturating_duration_since(Instant::now());
    // 0 would be no bound at all.
    Step::new(BOUND).with(left.as_millis().max(1).to_string())
}

/// Runs `steps` in one transaction that ends by `until`, connecting included, and returns each one's rows.
pub(crate) async fn within(
    store: &Store,
    until: Instant,
    steps: Vec<Step<'_>>,
) -> Result<Vec<Vec<Row>>, StoreError> {
    let work = async {
        let session = Session::open_with(store, "BEGIN").await?;
        // By itself: preparing a statement waits for locks, too.
        session.pipeline(vec![bound(until)], false).await?;
        let mut answers = session.pipeline(steps, true).await?;
        session.done();
        // The COMMIT has no rows.
        answers.pop();
        Ok(answers)
    };
    tokio::time::timeout_at(until.into(), work).await.unwrap_or(Err(StoreError::timeout()))
}
