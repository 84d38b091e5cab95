//! Reports that have expired are deleted, whoever made them.

use std::time::Duration;

use crate::hold::until_done;
use crate::hospitals::hospital::Office;

/// How often it is looked for them, at a time scale of 1.
const EVERY: Duration = Duration::from_secs(60);

/// Deletes them until the process drains.
pub(super) async fn run(office: &Office) {
    let every = EVERY.mul_f64(office.time_scale).clamp(Duration::from_millis(200), EVERY);
    loop {
        tokio::time::sleep(every).await;
        let mut chain = office.chains.take().await;
        let deleted =
            until_done!(office.hold, "expired reports", office.store.delete_expired_reports(chain.chain()));
        match deleted {
            Ok(0) => {}
            Ok(reports) => tracing::info!(reports, "deleted reports that have expired"),
            Err(error) => tracing::debug!(?error, "reports that have expired can't be deleted now"),
        }
    }
}
