//! The sections of docs/PROOF.md on speed, memory, the soak and the evening with their plots, and that of README.md,
//! made of recorded runs and of nothing else.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{foremost, growth, plot};
use crate::days::record;
use crate::journal::NOTHING;
use crate::{readme, section, soak};

/// Recorded runs, below the folder of the documentation.
const RUNS: [&str; 2] = ["proof/bench.json", "proof/bench-million.json"];
const GROWTH: &str = "proof/growth.json";
const SOAK: &str = "proof/soak.json";
const EVENING: &str = "proof/evening.json";
const PAGE: &str = "PROOF.md";
/// Plots, and of which run each is made.
const PLOTS: [(&str, &str, Draw); 3] = [
    ("proof/bench.svg", RUNS[0], plot::beside),
    ("proof/growth.svg", GROWTH, plot::growing),
    ("proof/soak.svg", SOAK, soak::plot),
];
pub(super) const HEADER: &str = "| figure | ours | limit | compared | goal | |\n|---|---|---|---|---|---|\n";

type Draw = fn(&Value) -> Result<String>;

/// How the figure of the audit trail begins, and what it doesn't say of itself.
const AUDIT: &str = "audit trail: POST to stored";
const BESIDE_AUDIT: &str = "\nBeside the audit trail stands a route that isn't free of it: every row is still hashed \
    and sent, and the database runs a trigger that throws it away. A ratio near 1 says that to keep a row costs no \
    more than to throw it away, not that the trail costs nothing: `./dev bench --only chain` has the bare loop with \
    the trail's rows and hashes beside the same without either.\n";

/// The page as the recorded runs want it.
///
/// # Errors
/// What of them can't be read.
pub fn drawn(docs: &Path) -> Result<String> {
    let page = std::fs::read_to_string(docs.join(PAGE)).context("docs/PROOF.md")?;
    let page = section::replaced(&page, "speed", &speed(docs)?)?;
    let page = section::replaced(&page, "growth", &growing(docs)?)?;
    let page = section::replaced(&page, "soak", &soaked(docs)?)?;
    section::replaced(&page, "evening", &lived(docs)?)
}

/// README.md as the recorded runs want it.
///
/// # Errors
/// As [`drawn`].
pub fn in_readme(docs: &Path) -> Result<String> {
    let section = match recorded(docs, RUNS[0])? {
        Some(run) => foremost::section(&run)?,
        None => NOTHING.to_owned(),
    };
    readme::with(docs, "speed", &section)
}

/// Each plot by its path below the folder, as the recorded runs want it; none of a run that isn't recorded.
///
/// # Errors
/// As [`drawn`].
pub fn plots(docs: &Path) -> Result<Vec<(&'static str, Option<String>)>> {
    let plot = |(plot, run, draw): (&'static str, &str, Draw)| {
        let drawn = recorded(docs, run)?.map(|run| draw(&run)).transpose();
        Ok((plot, drawn.with_context(|| format!("draw {run}"))?))
    };
    PLOTS.into_iter().map(plot).collect()
}

/// Writes those pages and plots.
///
/// # Errors
/// As [`drawn`].
pub fn draw(docs: &Path) -> Result<()> {
    std::fs::write(docs.join(PAGE), drawn(docs)?)?;
    std::fs::write(readme::path(docs), in_readme(docs)?)?;
    for (plot, drawn) in plots(docs)? {
        if let Some(drawn) = drawn {
            std::fs::write(docs.join(plot), drawn)?;
        }
    }
    Ok(())
}

/// No file: no run.
fn recorded(docs: &Path, run: &str) -> Result<Option<Value>> {
    let file = docs.join(run);
    if !file.exists() {
        return Ok(None);
    }
    let read = std::fs::read_to_string(file).with_context(|| format!("read {run}"))?;
    Ok(Some(serde_json::from_str(&read).with_context(|| format!("read {run}"))?))
}

fn speed(docs: &Path) -> Result<String> {
    let mut out = format!("![speed beside its limit, figure by figure]({})\n", PLOTS[0].0);
    for run in RUNS {
        let run = recorded(docs, run)?.with_context(|| format!("there is no {run}"))?;
        out.push_str(&table(&run).context("a recorded run lacks something")?);
    }
    Ok(out)
}

fn growing(docs: &Path) -> Result<String> {
    let Some(run) = recorded(docs, GROWTH)? else { return Ok(NOTHING.to_owned()) };
    let head = head(&run).context("a recorded run lacks something")?;
    let table = growth::page(&growth::series(&run)?);
    Ok(format!("![figures as their sizes grow]({})\n\n{head}:\n\n{table}", PLOTS[1].0))
}

fn soaked(docs: &Path) -> Result<String> {
    let Some(run) = recorded(docs, SOAK)? else { return Ok(NOTHING.to_owned()) };
    let head = head(&run).context("a recorded run lacks something")?;
    Ok(format!("![memory, depth and latency over time]({})\n\n{head}:\n\n{}", PLOTS[2].0, soak::page(&run)?))
}

fn lived(docs: &Path) -> Result<String> {
    let Some(run) = recorded(docs, EVENING)? else { return Ok(NOTHING.to_owned()) };
    let head = head(&run).context("a recorded run lacks something")?;
    Ok(format!("{head}:\n\n{}", record::page(&run, "evening")?))
}

/// By which command, when, of which commit, on what.
pub(super) fn head(run: &Value) -> Option<String> {
    let machine = &run["machine"];
    Some(format!(
        "`{}`, {}, commit {}, {} cores ({}), RabbitMQ {}, PostgreSQL {}",
        run["command"].as_str()?,
        run["at"].as_str()?,
        run["commit"].as_str()?,
        machine["cores"],
        machine["cpu"].as_str()?,
        machine["rabbitmq"].as_str()?,
        machine["postgresql"].as_str()?,
    ))
}

fn table(run: &Value) -> Option<String> {
    let lines = run["lines"].as_array()?;
    let mut out = format!("\n{}:\n\n{HEADER}", head(run)?);
    for line in lines {
        out.push_str(&row(line)?);
    }
    if lines.iter().any(|line| line["figure"].as_str().is_some_and(|figure| figure.starts_with(AUDIT))) {
        out.push_str(BESIDE_AUDIT);
        out.push_str(&rounds_of_the_trail(run).unwrap_or_default());
    }
    Some(out)
}

/// How far the rounds with and without the trail's rows lie apart, and so why another line is judged.
fn rounds_of_the_trail(run: &Value) -> Option<String> {
    let (with, without) = (run["rounds"]["audited"].as_array()?, run["rounds"]["unaudited"].as_array()?);
    let ratio = |(with, without): (&Value, &Value)| Some(with.as_f64()? / without.as_f64()?);
    let ratios: Vec<f64> = with.iter().zip(without).map(ratio).collect::<Option<_>>()?;
    let least = ratios.iter().copied().reduce(f64::min)?;
    let most = ratios.iter().copied().reduce(f64::max)?;
    Some(format!(
        "\nIn its {} rounds that ratio was {least:.2} to {most:.2}. No goal of a tenth can be judged by rounds that \
         lie further apart than that, so the judged line is a derived one: what rows and hashes add to a submission \
         in the bare loop, beside all that a submission takes on its whole route.\n",
        ratios.len()
    ))
}

/// One line of a recorded run.
pub(super) fn row(line: &Value) -> Option<String> {
    let unit = line["unit"].as_str()?;
    let ours = number(line["ours"].as_f64()?);
    let limit = line["limit"].as_f64().map(|limit| format!("{} {unit}", number(limit)));
    let compared =
        limit.as_ref().map(|_| line["measured"].as_f64()).map(|ratio| format!("{:.2}", ratio.unwrap_or(0.0)));
    let (least, most) = (line["goal"]["at_least"].as_f64(), line["goal"]["at_most"].as_f64());
    let goal = least.map(|least| format!("≥ {least}")).or(most.map(|most| format!("≤ {most}")));
    let ok = line["ok"].as_bool().map(|ok| if ok { "ok" } else { "**short**" });
    Some(format!(
        "| {} | {ours} {unit} | {} | {} | {} | {} |\n",
        line["figure"].as_str()?,
        limit.unwrap_or_default(),
        compared.unwrap_or_default(),
        goal.unwrap_or_default(),
        ok.unwrap_or_default(),
    ))
}

pub(super) fn number(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_says_what_was_measured_beside_its_limit_and_its_goal() {
        let run = json!({
            "command": "./dev bench", "at": "2026-11-28", "commit": "abc",
            "machine": {"cores": 2, "cpu": "a cpu", "rabbitmq": "3", "postgresql": "15"},
            "lines": [
                {"figure": "drain", "ours": 28000.4, "unit": "/s", "limit": 30000.0, "measured": 0.9333,
                 "goal": {"at_least": 0.8}, "ok": true},
                {"figure": "peak", "ours": 70.25, "unit": "MB", "limit": null, "measured": 70.25,
                 "goal": {"at_most": 64.0}, "ok": false},
            ],
        });
        let table = table(&run).unwrap();
        assert!(table.contains("| drain | 28000 /s | 30000 /s | 0.93 | ≥ 0.8 | ok |"), "{table}");
        assert!(table.contains("| peak | 70.25 MB |  |  | ≤ 64 | **short** |"), "{table}");
        assert!(table.contains("commit abc, 2 cores (a cpu), RabbitMQ 3, PostgreSQL 15"), "{table}");
        assert!(table.ends_with("**short** |\n"), "{table}");
        assert_eq!(super::table(&json!({"lines": []})), None);
    }

    #[test]
    fn what_stands_beside_the_audit_trail_is_never_called_free_of_it() {
        let run = json!({
            "command": "./dev bench", "at": "2026-11-28", "commit": "abc",
            "machine": {"cores": 2, "cpu": "a cpu", "rabbitmq": "3", "postgresql": "15"},
            "lines": [{"figure": "audit trail: POST to stored, beside another", "ours": 9.0, "unit": "/s",
                       "limit": 9.0, "measured": 1.0, "goal": {"at_least": 0.9}, "ok": true}],
        });
        assert!(table(&run).unwrap().ends_with(BESIDE_AUDIT));
        let mut run = run;
        run["rounds"] = json!({"audited": [9.0, 12.0], "unaudited": [10.0, 10.0]});
        assert!(table(&run).unwrap().contains("In its 2 rounds that ratio was 0.90 to 1.20."));
    }
}
