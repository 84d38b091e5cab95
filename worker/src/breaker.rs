//! Whether a foreign system is well enough to be called: closed, open, half-open with one probe.
//!
//! Pure: the time comes with every question.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use epro_process::config::BreakerConfig;

/// The breaker of one foreign system.
#[derive(Debug)]
pub(crate) struct Breaker {
    config: BreakerConfig,
    /// Those of the window, the oldest first.
    buckets: VecDeque<Bucket>,
    state: State,
}

/// Where a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Calls pass.
    Closed,
    /// None passes before that.
    Open { until: Instant },
    /// One passes, the probe, and decides.
    HalfOpen { probing: bool },
}

/// Why no call passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The sleep isn't over.
    Until(Instant),
    /// The probe is under way.
    Probing,
}

#[derive(Debug)]
struct Bucket {
    since: Instant,
    calls: u32,
    failed: u32,
}

impl Breaker {
    /// Closed, and nothing counted. `config.sleep` is scaled already.
    pub(crate) fn new(config: BreakerConfig) -> Self {
        Self { config, buckets: VecDeque::new(), state: State::Closed }
    }

    /// Where it stands.
    pub(crate) fn state(&self, now: Instant) -> State {
        match self.state {
            State::Open { until } if until <= now => State::HalfOpen { probing: false },
            state => state,
        }
    }

    /// Whether a call would pass now, and whether it would be the probe.
    pub(crate) fn passes(&self, now: Instant) -> Result<bool, Stop> {
        match self.state(now) {
            State::Closed => Ok(false),
            State::Open { until } => Err(Stop::Until(until)),
            State::HalfOpen { probing: false } => Ok(true),
            State::HalfOpen { probing: true } => Err(Stop::Probing),
        }
    }

    /// The probe goes out: no other call until it is back.
    pub(crate) fn probe(&mut self) {
        self.state = State::HalfOpen { probing: true };
    }

    /// A call was answered: it is there.
    pub(crate) fn answered(&mut self, probe: bool, now: Instant) {
        if probe {
            self.state = State::Closed;
            self.buckets.clear();
        }
        self.count(now, false);
    }

    /// A call failed. Those that were under way when it opened decide nothing.
    pub(crate) fn failed(&mut self, probe: bool, now: Instant) {
        self.count(now, true);
        let open = match self.state {
            State::Closed => self.too_many(),
            State::HalfOpen { .. } => probe,
            State::Open { .. } => false,
        };
        if open {
            self.open(now);
        }
    }

    /// Opens, whatever the window says: no call can succeed now.
    pub(crate) fn trip(&mut self, probe: bool, now: Instant) {
        self.count(now, true);
        if probe || self.state == State::Closed {
            self.open(now);
        }
    }

    /// The probe came back without an outcome: another one may go.
    pub(crate) fn probe_dropped(&mut self) {
        if self.state == (State::HalfOpen { probing: true }) {
            self.state = State::HalfOpen { probing: false };
        }
    }

    fn open(&mut self, now: Instant) {
        self.state = State::Open { until: now + self.config.sleep };
        self.buckets.clear();
    }

    fn count(&mut self, now: Instant, failed: bool) {
        let length = self.config.window / self.config.buckets.max(1);
        while self.buckets.front().is_some_and(|oldest| now >= oldest.since + self.config.window) {
            self.buckets.pop_front();
        }
        if self.buckets.back().is_none_or(|newest| now >= newest.since + length) {
            self.buckets.push_back(Bucket { since: self.begin_of_bucket(now, length), calls: 0, failed: 0 });
        }
        if let Some(newest) = self.buckets.back_mut() {
            newest.calls += 1;
            newest.failed += u32::from(failed);
        }
    }

    /// Buckets lie side by side from the oldest on, so that the window slides in even steps.
    fn begin_of_bucket(&self, now: Instant, length: Duration) -> Instant {
        let Some(oldest) = self.buckets.front() else { return now };
        let steps = now.duration_since(oldest.since).as_nanos() / length.as_nanos().max(1);
        oldest.since + length * u32::try_from(steps).unwrap_or(0)
    }

    fn too_many(&self) -> bool {
        let calls: u32 = self.buckets.iter().map(|bucket| bucket.calls).sum();
        let failed: u32 = self.buckets.iter().map(|bucket| bucket.failed).sum();
        calls >= self.config.minimum_calls && f64::from(failed) >= self.config.ratio * f64::from(calls)
    }
}

#[cfg(test)]
mod tests;
