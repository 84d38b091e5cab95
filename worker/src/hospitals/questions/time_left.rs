//! A job's deadline by the clock that never jumps.

use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;

/// Kept for writing the report down.
const WRITING: Duration = Duration::from_millis(500);

/// A deadline and what goes before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TimeLeft {
    /// The report has to be there.
    pub deadline: Instant,
    /// What isn't fetched by then is missing: the last tenth, half a second at most, is for writing.
    pub collecting: Instant,
}

impl TimeLeft {
    /// Until `deadline`, which is now if it has passed. The wall clocks of door and worker count.
    pub(super) fn until(deadline: OffsetDateTime, (now, wall): (Instant, OffsetDateTime)) -> Self {
        let left = Duration::try_from(deadline - wall).unwrap_or_default();
        let writing = (left / 10).min(WRITING);
        Self { deadline: now + left, collecting: now + (left - writing) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_tenth_is_for_writing_and_a_deadline_that_has_passed_is_now() {
        let now = (Instant::now(), OffsetDateTime::UNIX_EPOCH);
        let left = |seconds: f64| {
            let time = TimeLeft::until(now.1 + time::Duration::seconds_f64(seconds), now);
            (time.deadline - now.0, time.collecting - now.0)
        };
        let millis = Duration::from_millis;
        assert_eq!(left(2.0), (millis(2000), millis(1800)));
        assert_eq!(left(60.0), (millis(60_000), millis(59_500)));
        assert_eq!(left(-3.0), (Duration::ZERO, Duration::ZERO));
    }
}
