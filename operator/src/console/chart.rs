//! A small chart of the last quarter of an hour, as the paths of an SVG.

use super::history::History;
use super::words;

/// As wide and high as its view box.
const WIDE: f64 = 300.0;
const HIGH: f64 = 64.0;

/// A chart; `line` and `area` are paths. Where nothing was seen there is a gap.
#[derive(Debug)]
pub(crate) struct Chart {
    pub title: &'static str,
    pub unit: &'static str,
    pub now: String,
    pub most: String,
    pub line: String,
    pub area: String,
}

impl Chart {
    /// Of values a look apart, the newest at the right edge.
    pub(crate) fn of(title: &'static str, unit: &'static str, values: &[Option<f64>]) -> Self {
        let most = values.iter().flatten().copied().fold(0.0, f64::max);
        let top = if most > 0.0 { most } else { 1.0 };
        let x = |at: usize| WIDE - (values.len() - 1 - at) as f64 * WIDE / (History::room() - 1) as f64;
        let y = |value: f64| HIGH - 2.0 - value / top * (HIGH - 6.0);
        let (mut line, mut area) = (String::new(), String::new());
        for run in runs(values) {
            let points: Vec<String> =
                run.iter().map(|(at, value)| format!("{:.1} {:.1}", x(*at), y(*value))).collect();
            let (Some((first, _)), Some((last, _))) = (run.first(), run.last()) else { continue };
            line.push_str(&format!("M{}", points.join("L")));
            area.push_str(&format!("M{:.1} {HIGH}L{}L{:.1} {HIGH}Z", x(*first), points.join("L"), x(*last)));
        }
        let now = values.last().copied().flatten().map_or_else(|| "unknown".to_owned(), words::figure);
        Self { title, unit, now, most: words::figure(most), line, area }
    }
}

/// What was seen without a gap, by position.
fn runs(values: &[Option<f64>]) -> Vec<Vec<(usize, f64)>> {
    let mut runs = vec![Vec::new()];
    for (at, value) in values.iter().enumerate() {
        match (value, runs.last_mut()) {
            (Some(value), Some(run)) => run.push((at, *value)),
            _ => runs.push(Vec::new()),
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_stays_a_gap_and_the_newest_is_at_the_right_edge() {
        let chart = Chart::of("waiting", "", &[Some(0.0), Some(4.0), None, Some(2.0)]);
        assert_eq!(chart.line.matches('M').count(), 2);
        assert!(chart.line.ends_with("M300.0 33.0"), "{}", chart.line);
        assert_eq!((chart.now.as_str(), chart.most.as_str()), ("2", "4"));
        assert_eq!(Chart::of("waiting", "", &[Some(1.0), None]).now, "unknown");
        assert_eq!(Chart::of("waiting", "", &[]).line, "");
    }
}
