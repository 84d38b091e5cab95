//! The figures of speed that matter most, for README.md: worker, door and the whole route, each beside its limit.

use anyhow::{Context, Result};
use serde_json::Value;

use super::page::{HEADER, head, row};

/// How they begin.
const FOREMOST: [&str; 3] = ["worker: drain,", "API: 202s,", "whole: POST to stored,"];

/// What a recorded run says of them.
pub(super) fn section(run: &Value) -> Result<String> {
    let lines = run["lines"].as_array().context("a recorded run without lines")?;
    let head = head(run).context("a recorded run lacks something")?;
    let mut out = format!("{head}:\n\n{HEADER}");
    for figure in FOREMOST {
        let begins = |line: &&Value| line["figure"].as_str().is_some_and(|all| all.starts_with(figure));
        let row = lines.iter().find(begins).and_then(row);
        out.push_str(&row.with_context(|| format!("a recorded run without {figure}"))?);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::rounds::Figures;
    use crate::bench::{lines, report};
    use serde_json::json;

    /// A recorded run of those figures.
    fn run(names: &[&'static str]) -> Value {
        let mut figures = Figures::default();
        for name in names {
            figures.0.insert(*name, vec![90.0]);
        }
        let lines = lines::of_figures(&figures, None).unwrap();
        let machine = json!({"cores": 2, "cpu": "a cpu", "rabbitmq": "3", "postgresql": "15"});
        report::json(&lines, &figures, None, &machine)
    }

    #[test]
    fn worker_door_and_the_whole_route_are_shown_of_all_that_a_run_measures() {
        let all = ["worker", "bare loop", "worker+", "api", "bare publishing", "whole", "bare whole"];
        let section = section(&run(&all)).unwrap();
        let rows: Vec<&str> = section.lines().filter(|line| line.contains("90.00 /s")).collect();
        assert_eq!(rows.len(), FOREMOST.len(), "{section}");
        assert!(rows.iter().zip(FOREMOST).all(|(row, figure)| row.contains(figure)), "{section}");
    }

    #[test]
    fn a_run_that_measured_only_some_of_them_is_refused() {
        assert!(section(&run(&["worker", "bare loop"])).is_err());
    }
}
