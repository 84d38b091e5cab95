//! The figures beside their limits and goals, as a table and as JSON.

use anyhow::Result;
use comfy_table::{CellAlignment, Table};
use serde_json::{Value, json};

use super::depth::Depth;
use super::measure::median;
use super::rounds::Figures;

/// One line of the table.
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
            Goal::AtLeast(least) => self.measured >= least,
            Goal::AtMost(most) => self.measured <= most,
        })
    }
}

/// All lines. A ratio is the median of the rounds' ratios: each compares what ran side by side.
pub fn lines(figures: &Figures, depth: Option<&Depth>) -> Result<Vec<Line>> {
    let all = |name: &str| figures.0.get(name).cloned().unwrap_or_default();
    let ratio = |figure, ours, limit, goal| -> Result<Line> {
        let (ours, limits) = (all(ours), all(limit));
        let ratios: Vec<f64> = ours.iter().zip(&limits).map(|(ours, limit)| ours / limit).collect();
        Ok(Line {
            figure,
            ours: (median(&ours)?, "/s"),
            limit: Some(median(&limits)?),
            measured: median(&ratios)?,
            goal,
        })
    };
    let plain = |figure, name, unit, goal| -> Result<Line> {
        let value = median(&all(name))?;
        Ok(Line { figure, ours: (value, unit), limit: None, measured: value, goal: Some(goal) })
    };
    let latency = |figure, ours, limit| -> Result<Line> {
        let line = ratio(figure, ours, limit, None)?;
        Ok(Line { ours: (line.ours.0, "ms"), ..line })
    };
    let mut lines = vec![
        ratio("worker: drain, beside the bare loop", "worker", "bare loop", Some(Goal::AtLeast(0.80)))?,
        ratio("  the same, each with a hospital follow-on", "worker+", "bare loop+", None)?,
        ratio(
            "API: 202s, 64 connections, beside bare publishing",
            "api",
            "bare publishing",
            Some(Goal::AtLeast(0.60)),
        )?,
        ratio("whole: POST to stored, beside bare", "whole", "bare whole", Some(Goal::AtLeast(0.50)))?,
        latency("p99 POST -> 202 at 2,000/s, beside the bare confirm", "open p99", "bare open p99")?,
        latency("p50 of the same", "open p50", "bare open p50")?,
        plain("worker: CPU seconds per 10,000", "worker cpu", "s", Goal::AtMost(0.6))?,
        plain("API: CPU seconds per 10,000", "api cpu", "s", Goal::AtMost(1.0))?,
    ];
    if let Some(depth) = depth {
        let memory =
            |figure, value, goal| Line { figure, ours: (value, "MiB"), limit: None, measured: value, goal };
        lines.push(memory("worker: peak RSS, deep queue", depth.worker, Some(Goal::AtMost(64.0))));
        lines.push(memory("  of it after the first twentieth", depth.worker_early, None));
        lines.push(memory("API: peak RSS, deep queue", depth.api, Some(Goal::AtMost(48.0))));
    }
    Ok(lines)
}

/// The lines for people.
pub fn table(lines: &[Line]) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::UTF8_NO_BORDERS);
    table.set_header(["figure", "ours", "limit", "ratio", "goal", ""]);
    for line in lines {
        let (value, unit) = line.ours;
        let number = |value: f64| if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") };
        table.add_row([
            line.figure.to_owned(),
            format!("{} {unit}", number(value)),
            line.limit.map(|limit| format!("{} {unit}", number(limit))).unwrap_or_default(),
            line.limit.map(|_| format!("{:.2}", line.measured)).unwrap_or_default(),
            match line.goal {
                Some(Goal::AtLeast(least)) => format!(">= {least:.2}"),
                Some(Goal::AtMost(most)) => format!("<= {most:.1}"),
                None => String::new(),
            },
            line.ok().map(|ok| if ok { "ok" } else { "short" }).unwrap_or_default().to_owned(),
        ]);
    }
    for at in 1..4 {
        if let Some(column) = table.column_mut(at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

/// The same with every round's figures, for programs.
pub fn json(lines: &[Line], figures: &Figures, depth: Option<&Depth>, machine: &Value) -> Value {
    let goal = |goal: Option<Goal>| match goal {
        Some(Goal::AtLeast(least)) => json!({"at_least": least}),
        Some(Goal::AtMost(most)) => json!({"at_most": most}),
        None => Value::Null,
    };
    let lines: Vec<Value> = lines
        .iter()
        .map(|line| {
            json!({
                "figure": line.figure.trim(), "ours": line.ours.0, "unit": line.ours.1, "limit": line.limit,
                "measured": line.measured, "goal": goal(line.goal), "ok": line.ok(),
            })
        })
        .collect();
    json!({
        "machine": machine,
        "lines": lines,
        "rounds": figures.0,
        "queued": depth.map(|depth| depth.queued),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_that_of_neighbours_and_not_of_medians() {
        let mut figures = Figures::default();
        let names = ["worker", "worker+", "api", "whole", "open p99", "open p50", "worker cpu", "api cpu"];
        let limits =
            ["bare loop", "bare loop+", "bare publishing", "bare whole", "bare open p99", "bare open p50"];
        for name in names.into_iter().chain(limits) {
            figures.0.insert(name, vec![1.0, 1.0, 1.0]);
        }
        figures.0.insert("worker", vec![10.0, 20.0, 90.0]);
        figures.0.insert("bare loop", vec![100.0, 25.0, 100.0]);
        let lines = lines(&figures, None).unwrap();
        assert_eq!(lines[0].measured, 0.8);
        assert_eq!(lines[0].ok(), Some(true));
        assert!(table(&lines).contains("ok"));
    }
}
