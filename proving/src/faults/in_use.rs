//! What is in use: channels, sessions, memory. Afterwards it must be what it was before the first fault.

use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::field::{Crew, World};
use crate::{Service, Stack};

/// A door looks at the queues now and then, on a channel that comes and goes.
pub(crate) const PASSING: i64 = 2;
/// Between two looks at the same.
const LOOK: Duration = Duration::from_secs(1);
/// After so many looks that brought nothing new there is no more.
const QUIET_LOOKS: u32 = 12;
const MOST_LOOKS: u32 = 90;

/// At the services.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InUse {
    pub(crate) channels: i64,
    pub(crate) sessions: i64,
}

impl InUse {
    pub(super) async fn of(world: &World<'_>) -> Result<Self> {
        Self::by(&world.stack).await
    }

    pub(crate) async fn by(stack: &Stack) -> Result<Self> {
        let vhost = stack.vhost();
        let channels =
            vhost.management().get(&format!("/api/vhosts/{}/channels?columns=name", vhost.name())).await?;
        let channels = channels.as_array().map_or(0, Vec::len);
        let link = stack.database().connect().await?;
        let sessions =
            link.count("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()").await?;
        Ok(Self { channels: i64::try_from(channels).unwrap_or(i64::MAX), sessions })
    }

    /// The most of each that is seen until no look brings more: on a busy machine whoever was cut off comes back one by
    /// one.
    pub(crate) async fn at_most(stack: &Stack) -> Result<Self> {
        let (mut most, mut since) = (Self::default(), 0);
        for _ in 0..MOST_LOOKS {
            sleep(LOOK).await;
            let more = most.or_more(Self::by(stack).await?);
            since = if more == most { since + 1 } else { 0 };
            most = more;
            if since == QUIET_LOOKS {
                break;
            }
        }
        Ok(most)
    }

    /// The higher one of each.
    pub(crate) fn or_more(self, other: Self) -> Self {
        Self { channels: self.channels.max(other.channels), sessions: self.sessions.max(other.sessions) }
    }

    pub(crate) fn is_back_at(self, before: Self) -> bool {
        self.channels <= before.channels + PASSING && self.sessions <= before.sessions + PASSING
    }
}

/// Resident memory in MiB: that of the first door and the first worker, which live through the whole run.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Memory {
    /// The first door.
    pub door: f64,
    /// The first worker.
    pub worker: f64,
}

impl Memory {
    /// Now.
    pub(super) fn now(crew: &Crew) -> Result<Self> {
        Self::of(crew, Service::rss_mib)
    }

    /// At its highest since they were started, or since that was forgotten.
    pub(super) fn peak(crew: &Crew) -> Result<Self> {
        Self::of(crew, Service::peak_rss_mib)
    }

    /// From now on the highest is that of what follows.
    pub(super) fn forget_peak(crew: &Crew) -> Result<()> {
        crew.doors[0].forget_peak_rss()?;
        crew.workers[0].forget_peak_rss()
    }

    fn of(crew: &Crew, look: fn(&Service) -> Result<f64>) -> Result<Self> {
        Ok(Self { door: look(&crew.doors[0])?, worker: look(&crew.workers[0])? })
    }

    pub(super) fn is_within(self, before: Self, growth: f64) -> bool {
        self.door <= growth * before.door && self.worker <= growth * before.worker
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_may_grow_by_a_tenth_in_neither_of_the_two() {
        let warm = Memory { door: 20.0, worker: 30.0 };
        assert!(Memory { door: 22.0, worker: 33.0 }.is_within(warm, 1.1));
        assert!(!Memory { door: 22.1, worker: 10.0 }.is_within(warm, 1.1));
        assert!(!Memory { door: 10.0, worker: 33.1 }.is_within(warm, 1.1));
    }
}
