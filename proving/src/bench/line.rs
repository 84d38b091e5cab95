//! One line of the report: a figure, its limit, its goal, and whether that is reached.

use Goal::{AtLeast, AtMost};

/// One line of the report.
#[derive(Clone, Debug)]
pub struct Line {
    /// What was measured.
    pub figure: &'static str,
    /// Ours and its unit.
    pub ours: (f64, &'static str),
    /// The limit beside it.
    pub limit: Option<f64>,
    /// What is compared with the goal: ours over limit, or ours.
    pub measured: f64,
    /// The goal: at least, or at most.
    pub goal: Option<Goal>,
}

/// A goal of the issue.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// Not less than this.
    AtLeast(f64),
    /// Not more than this.
    AtMost(f64),
}

impl Line {
    /// Whether the goal is reached; `None` without a goal.
    pub fn ok(&self) -> Option<bool> {
        self.goal.map(|goal| match goal {
            AtLeast(least) => self.measured >= least,
            AtMost(most) => self.measured <= most,
        })
    }
}
