//! How long to wait before the same thing is tried again.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};

/// The longest wait between two tries.
pub(crate) const LONGEST: Duration = Duration::from_secs(2);

/// 50 ms, doubling up to [`LONGEST`], with jitter, without end.
pub(crate) fn steady() -> impl Iterator<Item = Duration> + Send {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(LONGEST)
        .with_jitter()
        .without_max_times()
        .build()
}
