//! A bound that reaches the server: what nobody waits for any more it gives up, too.

use crate::error::StoreError;
use crate::pool::Store;
use crate::session::Session;
use crate::step::Step;
use std::time::{Duration, Instant};
use tokio_postgres::Row;

/// Waiting for a lock counts. The setting ends with its transaction; it is in force once it was answered.
const BOUND: &str = "SELECT set_config('statement_timeout', $1, true)";

/// From here to the end of its transaction no statement takes longer than that.
pub(crate) fn bound(within: Duration) -> Step<'static> {
    // 0 would be no bound at all.
    Step::new(BOUND).with(within.as_millis().max(1).to_string())
}

/// Runs `steps` in one transaction that takes `within` at most, connecting included, and returns each one's rows.
pub(crate) async fn within(
    store: &Store,
    within: Duration,
    steps: Vec<Step<'_>>,
) -> Result<Vec<Vec<Row>>, StoreError> {
    let began = Instant::now();
    let work = async {
        let session = Session::open_with(store, "BEGIN").await?;
        let left = within.saturating_sub(began.elapsed());
        // By itself: preparing a statement waits for locks, too.
        session.pipeline(vec![bound(left)], false).await?;
        let mut answers = session.pipeline(steps, true).await?;
        session.done();
        // The COMMIT has no rows.
        answers.pop();
        Ok(answers)
    };
    tokio::time::timeout(within, work).await.unwrap_or(Err(StoreError::timeout()))
}
