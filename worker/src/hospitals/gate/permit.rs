//! Leave to make one call, and what became of it.

use std::sync::Arc;
use std::time::Duration;

use super::{Gate, LONGEST_REST};

/// Leave to make one call. Dropped without a report it gives back its place, and the probe if it was
/// that: nobody knows what became of the call.
#[must_use = "a permit is for a call"]
pub(crate) struct Permit {
    gate: Arc<Gate>,
    probe: bool,
    question: bool,
    open: bool,
}

/// What the gate learns from a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reported {
    /// The hospital has it.
    Well,
    /// It answered a question, whatever it said: nothing is known of how it takes messages.
    Answered,
    /// It refused this message, and answers.
    Refused { note: String },
    /// It failed; with the rest that it asked for.
    Failed { note: String, rest: Option<Duration> },
    /// No call can succeed now.
    Hopeless { note: String },
}

impl Permit {
    pub(super) fn new(gate: Arc<Gate>, probe: bool, question: bool) -> Self {
        Self { gate, probe, question, open: true }
    }

    /// Says what became of the call.
    pub(crate) fn report(mut self, reported: Reported) {
        self.open = false;
        let now = self.gate.clock.now();
        let mut guard = self.gate.inside();
        let inside = &mut *guard;
        inside.leave(self.question);
        match reported {
            Reported::Answered => inside.breaker.answered(self.probe, now),
            Reported::Well => {
                inside.breaker.answered(self.probe, now);
                inside.well_at = Some(now);
                inside.refused_since_well = false;
                inside.counted.taken += 1;
            }
            Reported::Refused { note } => {
                inside.breaker.answered(self.probe, now);
                inside.refused_since_well = true;
                inside.counted.refused += 1;
                inside.counted.error = Some((note, now));
            }
            Reported::Failed { note, rest } => {
                inside.breaker.failed(self.probe, now);
                if let Some(rest) = rest {
                    let until = now + rest.min(LONGEST_REST);
                    inside.rest_until = Some(inside.rest_until.map_or(until, |before| before.max(until)));
                }
                inside.fail(note, now);
            }
            Reported::Hopeless { note } => {
                inside.breaker.trip(self.probe, now);
                inside.fail(note, now);
            }
        }
        drop(guard);
        self.gate.changed.notify_waiters();
    }
}

impl super::Inside {
    fn leave(&mut self, question: bool) {
        self.under_way = self.under_way.saturating_sub(1);
        self.asking = self.asking.saturating_sub(u16::from(question));
    }

    fn fail(&mut self, note: String, now: std::time::Instant) {
        self.counted.failed += 1;
        self.reason = Some(note.clone());
        self.counted.error = Some((note, now));
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.open {
            let mut inside = self.gate.inside();
            inside.leave(self.question);
            if self.probe {
                inside.breaker.probe_dropped();
            }
            drop(inside);
            self.gate.changed.notify_waiters();
        }
    }
}
