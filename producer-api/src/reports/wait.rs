//! Waiting for a report, as long as its client waits.

use std::time::Duration;

use epro_store::reports::ReportNow;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use crate::door::Door;
use epro_process::auth::Caller;

/// Between the first two looks; each further pause is half as long again.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// How long one look may take.
const LOOK: Duration = Duration::from_secs(2);

/// Somebody waits, as long as this lives: a client that hangs up drops its request.
struct Waiting(metrics::Gauge);

impl Waiting {
    fn begin() -> Self {
        let gauge = metrics::gauge!("epro_report_waits");
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// The report under its seal, if it is there by `until`. `Err`: nobody can wait now, as too many do.
pub(super) async fn sealed(
    door: &Door,
    caller: &Caller,
    id: Uuid,
    until: Instant,
) -> Result<Option<Vec<u8>>, ()> {
    let _waiter = door.report_waiters.try_acquire().map_err(drop)?;
    let _waiting = Waiting::begin();
    let mut pause = FIRST_PAUSE;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        match door.store.report(id, (&caller.studies, &caller.sites), LOOK.min(left)).await {
            Ok(Some(ReportNow::Done(sealed))) => return Ok(Some(sealed)),
            Ok(Some(ReportNow::Running) | None) => {}
            Err(error) => tracing::debug!(%error, "a report could not be looked up"),
        }
        sleep_until(until.min(Instant::now() + pause)).await;
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
    }
}
