//! What a day showed, each beside what it must be.

use std::fmt::Write as _;

use comfy_table::{LineStyle, Table};
use serde::{Deserialize, Serialize};

/// What a figure must be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// So much or more.
    AtLeast(f64),
    /// So much or less.
    AtMost(f64),
    /// Exactly this.
    Is(f64),
    /// Nothing: it is good to know.
    Any,
}

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What was measured, with its unit.
    pub what: String,
    /// What came out.
    pub value: f64,
    /// What it must be.
    pub bound: Bound,
}

impl Finding {
    /// A figure and what it must be.
    pub fn new(what: impl Into<String>, value: f64, bound: Bound) -> Self {
        Self { what: what.into(), value, bound }
    }

    /// Whether it is what it must be.
    pub fn holds(&self) -> bool {
        match self.bound {
            Bound::AtLeast(least) => self.value >= least,
            Bound::AtMost(most) => self.value <= most,
            Bound::Is(exactly) => (self.value - exactly).abs() < f64::EPSILON,
            Bound::Any => true,
        }
    }

    /// What was measured, what came out, what it must be, and whether it is.
    fn cells(&self) -> [String; 4] {
        let bound = match self.bound {
            Bound::AtLeast(least) => format!(">= {}", number(least)),
            Bound::AtMost(most) => format!("<= {}", number(most)),
            Bound::Is(exactly) => number(exactly),
            Bound::Any => String::new(),
        };
        let word = match (self.bound, self.holds()) {
            (Bound::Any, _) => "",
            (_, true) => "ok",
            (_, false) => "short",
        };
        [self.what.clone(), number(self.value), bound, word.to_owned()]
    }
}

/// The figures for people.
pub fn table(findings: &[Finding]) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::UTF8_NO_BORDERS.row_separator(LineStyle::none()));
    table.set_header(["figure", "measured", "must be", ""]);
    for finding in findings {
        table.add_row(finding.cells());
    }
    table.to_string()
}

/// The same for docs/PROOF.md.
pub(crate) fn page(findings: &[Finding]) -> String {
    let mut out = "| figure | measured | must be | |\n|---|---|---|---|\n".to_owned();
    for finding in findings {
        let [what, value, bound, word] = finding.cells();
        let (bound, word) = (bound.replace("<=", "≤").replace(">=", "≥"), word.replace("short", "**short**"));
        let _ = writeln!(out, "| {what} | {value} | {bound} | {word} |");
    }
    out
}

fn number(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_holds_at_its_bound_and_not_beyond() {
        let holds = |value, bound| Finding::new("x", value, bound).holds();
        assert!(holds(4.5, Bound::AtLeast(4.5)) && !holds(4.4, Bound::AtLeast(4.5)));
        assert!(holds(6.0, Bound::AtMost(6.0)) && !holds(7.0, Bound::AtMost(6.0)));
        assert!(holds(0.0, Bound::Is(0.0)) && !holds(1.0, Bound::Is(0.0)));
    }
}
