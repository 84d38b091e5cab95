//! The lines as a table for people and as JSON for programs.

use comfy_table::{CellAlignment, LineStyle, Table};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::depth::Depth;
use super::line::Goal::{self, AtLeast, AtMost};
use super::line::Line;
use super::rounds::Figures;

/// The lines for people.
pub fn table(lines: &[Line]) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::UTF8_NO_BORDERS.row_separator(LineStyle::none()));
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
                Some(AtLeast(least)) => format!(">= {least:.2}"),
                Some(AtMost(most)) => format!("<= {most:.1}"),
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
        Some(AtLeast(least)) => json!({"at_least": least}),
        Some(AtMost(most)) => json!({"at_most": most}),
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
        "command": command(),
        "at": OffsetDateTime::now_utc().date().to_string(),
        "commit": std::env::var("EPRO_TEST_COMMIT").unwrap_or_else(|_| "unknown".to_owned()),
        "machine": machine,
        "lines": lines,
        "rounds": figures.0,
        "queued": depth.map(|depth| depth.queued),
    })
}

/// As people type it.
fn command() -> String {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let json = arguments.iter().position(|argument| argument == "--json");
    let left =
        arguments.iter().enumerate().filter(|(at, _)| json.is_none_or(|json| *at != json && *at != json + 1));
    left.fold("./dev bench".to_owned(), |line, (_, argument)| line + " " + argument)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stands_beside_its_goal_and_says_whether_that_is_reached() {
        let line = |measured, goal| Line {
            figure: "drain",
            ours: (80.0, "/s"),
            limit: Some(100.0),
            measured,
            goal: Some(goal),
        };
        let table = table(&[line(0.8, AtLeast(0.75)), line(1.2, AtMost(1.1))]);
        let rows: Vec<_> = table.lines().filter(|row| row.contains("drain")).collect();
        assert!(rows[0].contains(">= 0.75") && rows[0].contains("ok"), "{table}");
        assert!(rows[1].contains("<= 1.1") && rows[1].contains("short"), "{table}");
    }
}
