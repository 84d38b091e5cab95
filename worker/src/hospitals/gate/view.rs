//! How a gate looks from outside: for operators, not for decisions.

use std::time::Instant;

use super::{Gate, State};

/// What was counted since it was last asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub calls: i64,
    pub taken: i64,
    pub refused: i64,
    pub failed: i64,
    /// What the hospital last said that wasn't good, and when.
    pub error: Option<(String, Instant)>,
}

/// Where a gate stands. Closed is what a breaker calls it: calls pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    Closed,
    Open,
    HalfOpen,
    /// The hospital asked for a rest.
    Shut,
}

/// A look at a gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    pub word: Word,
    /// Why it isn't closed.
    pub reason: Option<String>,
    pub well_at: Option<Instant>,
    pub counted: Counted,
}

impl Word {
    /// As it is stored and shown.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::Shut => "shut",
        }
    }
}

impl Counted {
    /// Adds what was counted later.
    pub(crate) fn add(&mut self, later: Self) {
        self.calls += later.calls;
        self.taken += later.taken;
        self.refused += later.refused;
        self.failed += later.failed;
        self.error = later.error.or(self.error.take());
    }
}

impl Gate {
    /// A look at it; takes what was counted.
    pub(crate) fn look(&self) -> View {
        let now = self.clock.now();
        let mut inside = self.inside();
        let word = match inside.breaker.state(now) {
            _ if inside.rest_until.is_some_and(|until| now < until) => Word::Shut,
            State::Closed => Word::Closed,
            State::Open { .. } => Word::Open,
            State::HalfOpen { .. } => Word::HalfOpen,
        };
        View {
            word,
            reason: inside.reason.clone().filter(|_| word != Word::Closed),
            well_at: inside.well_at,
            counted: std::mem::take(&mut inside.counted),
        }
    }
}
