//! Recorded runs as SVG: speed beside its limit, and how figures grow.

use anyhow::{Context, Result};
use serde_json::Value;

use super::growth::{self, Series};
use super::page::number;
use crate::sheet::{Anchor, PANEL, Panel, Sheet, WIDTH};

/// Where bars begin, and where the longest ends.
const LEFT: f64 = 400.0;
const RIGHT: f64 = 110.0;
const TOP: f64 = 36.0;
const ROW: f64 = 44.0;
const BAR: f64 = 14.0;

/// Whatever is to reach a part of its limit: two bars, and a stroke where the goal is.
pub(super) fn beside(run: &Value) -> Result<String> {
    let lines = run["lines"].as_array().context("a recorded run without lines")?;
    let lines: Vec<_> = lines
        .iter()
        .filter(|line| line["limit"].is_number() && line["goal"]["at_least"].is_number())
        .collect();
    let tall = TOP + ROW * lines.len() as f64 + 30.0;
    let mut sheet = Sheet::new(tall);
    sheet.text((20.0, 22.0), Anchor::Start, "ink", "speed beside its limit, measured in the same rounds");
    for (place, line) in lines.iter().enumerate() {
        pair(&mut sheet, TOP + ROW * place as f64, line).context("a line lacks something")?;
    }
    sheet.legend(tall - 12.0, &[("ours", "ours"), ("limit", "the limit"), ("goal", "the goal, as a stroke")]);
    Ok(sheet.end())
}

fn pair(sheet: &mut Sheet, y: f64, line: &Value) -> Option<()> {
    let (ours, limit, unit) = (line["ours"].as_f64()?, line["limit"].as_f64()?, line["unit"].as_str()?);
    let goal = line["goal"]["at_least"].as_f64()?;
    let most = (goal * limit).max(ours).max(limit).max(f64::MIN_POSITIVE);
    let long = |value: f64| (WIDTH - LEFT - RIGHT) * value / most;
    sheet.text((LEFT - 10.0, y + 20.0), Anchor::End, "ink", line["figure"].as_str()?);
    let compared = format!("compared {:.2}", line["measured"].as_f64()?);
    sheet.text((LEFT - 10.0, y + 34.0), Anchor::End, "faint", &compared);
    for (class, value, y) in [("ours", ours, y + 6.0), ("limit", limit, y + 8.0 + BAR)] {
        sheet.bar((LEFT, y), (long(value), BAR), class);
        let text = format!("{} {unit}", number(value));
        sheet.text((WIDTH - 10.0, y + 11.0), Anchor::End, "ink", &text);
    }
    let x = LEFT + long(goal * limit);
    sheet.stroke((x, y + 3.0), (x, y + 9.0 + BAR), "mark");
    Some(())
}

/// A panel for each series.
pub(super) fn growing(run: &Value) -> Result<String> {
    let series = growth::series(run)?;
    let tall = PANEL.1 * series.len().div_ceil(2) as f64 + 36.0;
    let mut sheet = Sheet::new(tall);
    // A figure that is indented belongs to the one before it, which stands elsewhere here.
    let mut whose = "";
    for (place, one) in series.iter().enumerate() {
        if !one.figure.starts_with(' ') {
            whose = &one.figure;
        }
        let corner = (PANEL.0 * (place % 2) as f64, PANEL.1 * (place / 2) as f64);
        sheet.panel(corner, &panel(one, whose));
    }
    sheet.legend(tall - 14.0, &[("ours", "ours"), ("limit", "the limit in the same run")]);
    Ok(sheet.end())
}

/// Sizes stand as far from each other whatever they are: they grow by factors.
fn panel(series: &Series, whose: &str) -> Panel<'static> {
    let (head, figure) = (whose.split(':').next().unwrap_or_default(), series.figure.trim());
    let title = match series.figure.starts_with(' ') {
        true => format!("{head}: {figure}, {}", series.unit),
        false => format!("{figure}, {}", series.unit),
    };
    let placed = |value: fn(&super::growth::Point) -> Option<f64>| {
        let values = series.points.iter().enumerate();
        values.filter_map(|(place, point)| Some((place as f64, value(point)?))).collect::<Vec<_>>()
    };
    let mut lines = vec![("ours", placed(|point| Some(point.ours)))];
    let limits = placed(|point| point.limit);
    if !limits.is_empty() {
        lines.push(("limit", limits));
    }
    let ticks = series.points.iter().enumerate();
    let ticks = ticks.map(|(place, point)| (place as f64, format!("{} {}", point.at, series.across)));
    let last = series.points.len().saturating_sub(1) as f64;
    Panel { title, span: (-0.4, last + 0.4), ticks: ticks.collect(), lines, dots: true }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_figure_without_a_limit_or_a_part_of_it_to_reach_has_no_bars() {
        let line = |figure: &str, limit: Option<f64>| {
            json!({"figure": figure, "ours": 80.0, "unit": "/s", "limit": limit, "measured": 0.8,
                   "goal": {"at_least": 0.9}})
        };
        let mut memory = line("memory", Some(100.0));
        memory["goal"] = json!({"at_most": 1.1});
        let run = json!({"lines": [line("drain", Some(100.0)), line("alone", None), memory]});
        let drawn = beside(&run).unwrap();
        assert!(drawn.contains(">drain</text>") && drawn.contains(">80.00 /s</text>"), "{drawn}");
        assert!(!drawn.contains("alone") && !drawn.contains("memory"));
        assert_eq!(drawn.matches("class=\"mark\"").count(), 1);
    }

    #[test]
    fn each_series_has_a_panel_and_an_indented_one_says_whose_it_is() {
        let point = |at: f64, limit: Option<f64>| json!({"at": at, "ours": 5.0, "limit": limit});
        let run = json!({"series": [
            {"figure": "worker: drain", "unit": "/s", "across": "KiB", "points": [point(0.5, Some(6.0)), point(2.0, Some(6.0))]},
            {"figure": "  its peak RSS", "unit": "MiB", "across": "KiB", "points": [point(0.5, None)]},
        ]});
        let drawn = growing(&run).unwrap();
        assert!(
            drawn.contains(">worker: its peak RSS, MiB</text>") && drawn.contains(">0.5 KiB</text>"),
            "{drawn}"
        );
        assert_eq!(drawn.matches("class=\"limit-line\"").count(), 1);
    }
}
