//! The one door to a hospital: lease, rest that it asked for, calls under way, breaker, pace.

mod permit;
mod question;
mod view;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use epro_process::config::BreakerConfig;
use tokio::sync::Notify;

use super::clock::Clock;
use super::lease::Lease;
use super::rate_limit::RateLimit;
use crate::breaker::{Breaker, State, Stop};
pub(crate) use permit::{Permit, Reported};
use question::Questions;
pub(crate) use view::{Counted, Word};

/// How soon to ask again where nobody knows the time.
const SOON: Duration = Duration::from_millis(200);
/// The longest rest that a hospital is given at its word; then it is asked again.
const LONGEST_REST: Duration = Duration::from_secs(3600);

/// The measures of one hospital.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measures {
    pub calls_per_second: f64,
    pub concurrency: u16,
    /// The share of the pace that questions may take.
    pub query_share: f64,
    /// With its sleep scaled.
    pub breaker: BreakerConfig,
}

/// The door to one hospital, as long as its lease is ours.
pub(crate) struct Gate {
    clock: Clock,
    limit: RateLimit,
    concurrency: u16,
    questions: Questions,
    window: Duration,
    inside: Mutex<Inside>,
    changed: Notify,
}

struct Inside {
    breaker: Breaker,
    /// The rest that the hospital asked for.
    rest_until: Option<Instant>,
    under_way: u16,
    /// Questions among them.
    asking: u16,
    /// When the next question may be asked.
    question_at: Option<Instant>,
    well_at: Option<Instant>,
    /// A message was refused since the hospital last took one.
    refused_since_well: bool,
    counted: Counted,
    reason: Option<String>,
}

/// Why no call may be made now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// The lease is too short for a call, or gone.
    Lease,
    /// The hospital asked for a rest.
    Rest,
    /// The breaker is open, or its probe is under way.
    Breaker,
    /// As many calls as may be are under way.
    Busy,
    /// The last call was a moment ago.
    Pace,
}

/// Not now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotNow {
    /// When to ask again, if [`Gate::changed`] doesn't say so before.
    pub until: Instant,
    pub why: Why,
}

impl NotNow {
    /// Whether no call at all is made now, rather than this one a moment later.
    pub(crate) fn is_closed(self) -> bool {
        match self.why {
            Why::Lease | Why::Rest | Why::Breaker => true,
            Why::Busy | Why::Pace => false,
        }
    }
}

impl Gate {
    /// A door with an empty bucket and a closed breaker.
    pub(crate) fn new(measures: Measures, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            limit: RateLimit::new(measures.calls_per_second, clock.clone()),
            clock,
            concurrency: measures.concurrency,
            questions: Questions::new(measures),
            window: measures.breaker.window,
            inside: Mutex::new(Inside {
                breaker: Breaker::new(measures.breaker),
                rest_until: None,
                under_way: 0,
                asking: 0,
                question_at: None,
                well_at: None,
                refused_since_well: false,
                counted: Counted::default(),
                reason: None,
            }),
            changed: Notify::new(),
        })
    }

    /// Leave to make one call, now.
    pub(crate) fn admit(self: &Arc<Self>, lease: &Lease) -> Result<Permit, NotNow> {
        let mut inside = self.inside();
        let probe = self.enter(&mut inside, lease)?;
        Ok(Permit::new(Arc::clone(self), probe, false))
    }

    /// Why no call would be made now, leaving the pace aside.
    pub(crate) fn closed(&self, lease: &Lease) -> Option<NotNow> {
        self.passes(&self.inside(), lease).err()
    }

    /// Resolves when a call is over: what was refused before may be admitted now.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Whether the hospital took a message within the breaker's window.
    pub(crate) fn takes_others(&self) -> bool {
        self.inside().well_at.is_some_and(|at| self.clock.now() < at + self.window)
    }

    /// The same, and it refused none since.
    pub(crate) fn refuses_few(&self) -> bool {
        self.takes_others() && !self.inside().refused_since_well
    }

    /// Whether the call that enters is a probe.
    fn enter(&self, inside: &mut Inside, lease: &Lease) -> Result<bool, NotNow> {
        let probe = self.passes(inside, lease)?;
        if inside.under_way >= self.concurrency {
            return Err(NotNow { until: self.clock.now() + SOON, why: Why::Busy });
        }
        self.limit.take().map_err(|until| NotNow { until, why: Why::Pace })?;
        inside.under_way += 1;
        inside.counted.calls += 1;
        if probe {
            inside.breaker.probe();
        }
        Ok(probe)
    }

    fn passes(&self, inside: &Inside, lease: &Lease) -> Result<bool, NotNow> {
        let now = self.clock.now();
        if !lease.allows_a_call() {
            return Err(NotNow { until: now + SOON, why: Why::Lease });
        }
        if let Some(until) = inside.rest_until.filter(|until| now < *until) {
            return Err(NotNow { until, why: Why::Rest });
        }
        inside.breaker.passes(now).map_err(|stop| match stop {
            Stop::Until(until) => NotNow { until, why: Why::Breaker },
            Stop::Probing => NotNow { until: now + SOON, why: Why::Breaker },
        })
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
