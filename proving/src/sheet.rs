//! A sheet of SVG that can be read in light and in dark: it brings its own ground along, and knows which is wanted.

use std::fmt::Write as _;

use crate::scaling::plot::nice;

/// What is said by colour: light first, then dark.
const STYLE: &str = "<style>\n\
.ground{fill:#fff}.ink{fill:#24292f}.faint{fill:#57606a}.grid{stroke:#d8dee4}.mark{stroke:#c0392b;stroke-width:2}\n\
.ours{fill:#2f6fb3}.limit{fill:#b4bac1}.other{fill:#b8860b}.goal{fill:#c0392b}\n\
.ours-line{stroke:#2f6fb3}.limit-line{stroke:#8a9199;stroke-dasharray:6 4}.other-line{stroke:#b8860b}\n\
polyline{fill:none;stroke-width:2}\n\
@media (prefers-color-scheme:dark){\n\
.ground{fill:#0d1117}.ink{fill:#e6edf3}.faint{fill:#9198a1}.grid{stroke:#30363d}.mark{stroke:#f0776c}\n\
.ours{fill:#58a6ff}.limit{fill:#565e68}.other{fill:#d8a53a}.goal{fill:#f0776c}\n\
.ours-line{stroke:#58a6ff}.limit-line{stroke:#9198a1}.other-line{stroke:#d8a53a}\n\
}\n</style>\n";

/// How wide sheets are.
pub(crate) const WIDTH: f64 = 960.0;
/// A panel with its title and its axes; two stand beside each other.
pub(crate) const PANEL: (f64, f64) = (WIDTH / 2.0, 210.0);
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 40.0;
const HEIGHT: f64 = 130.0;

/// Where a text stands from.
#[derive(Clone, Copy)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// Lines over one axis; the other one begins at nothing.
pub(crate) struct Panel<'p> {
    /// What is seen, with its unit.
    pub(crate) title: String,
    /// The first and the last place.
    pub(crate) span: (f64, f64),
    /// Places with a word.
    pub(crate) ticks: Vec<(f64, String)>,
    /// Class of its colour, places and values.
    pub(crate) lines: Vec<(&'p str, Vec<(f64, f64)>)>,
    /// Whether each value has a dot.
    pub(crate) dots: bool,
}

/// What is drawn so far.
pub(crate) struct Sheet(String);

impl Sheet {
    pub(crate) fn new(height: f64) -> Self {
        Self(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             font-family=\"sans-serif\" font-size=\"12\">\n{STYLE}\
             <rect class=\"ground\" width=\"{WIDTH}\" height=\"{height}\"/>\n"
        ))
    }

    pub(crate) fn end(mut self) -> String {
        self.0.push_str("</svg>\n");
        self.0
    }

    pub(crate) fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let _ = writeln!(
            self.0,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
        );
    }

    pub(crate) fn bar(&mut self, (x, y): (f64, f64), (wide, tall): (f64, f64), class: &str) {
        let _ = writeln!(
            self.0,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{tall:.1}\"/>"
        );
    }

    pub(crate) fn stroke(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64), class: &str) {
        let _ = writeln!(
            self.0,
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        );
    }

    /// A word for each colour, from left to right.
    pub(crate) fn legend(&mut self, y: f64, words: &[(&str, &str)]) {
        for (place, (class, word)) in words.iter().enumerate() {
            let x = LEFT + 220.0 * place as f64;
            self.bar((x, y - 9.0), (14.0, 10.0), class);
            self.text((x + 20.0, y), Anchor::Start, "ink", word);
        }
    }

    /// A panel whose upper left corner is there.
    pub(crate) fn panel(&mut self, (left, top): (f64, f64), panel: &Panel<'_>) {
        let (floor, wide) = (top + TOP + HEIGHT, PANEL.0 - LEFT - RIGHT);
        let all = panel.lines.iter().flat_map(|(_, values)| values).map(|(_, value)| *value);
        let most = nice(all.fold(1e-6, f64::max));
        let (from, to) = panel.span;
        let x = |at: f64| left + LEFT + wide * (at - from) / (to - from);
        let y = |value: f64| floor - HEIGHT * value / most;
        self.text((left + LEFT, top + 22.0), Anchor::Start, "ink", &panel.title);
        for part in 0..=4 {
            let value = most * f64::from(part) / 4.0;
            self.stroke((x(from), y(value)), (x(to), y(value)), "grid");
            self.text((x(from) - 6.0, y(value) + 4.0), Anchor::End, "faint", &short(value));
        }
        for (at, word) in &panel.ticks {
            self.text((x(*at), floor + 16.0), Anchor::Middle, "faint", word);
        }
        for (class, values) in &panel.lines {
            let mut points = String::new();
            for (at, value) in values {
                let _ = write!(points, " {:.1},{:.1}", x(*at), y(*value));
            }
            let _ = writeln!(self.0, "<polyline class=\"{class}-line\" points=\"{}\"/>", points.trim());
            for (at, value) in values.iter().filter(|_| panel.dots) {
                let (x, y) = (x(*at), y(*value));
                let _ = writeln!(self.0, "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>");
            }
        }
    }
}

/// A number at an axis.
pub(crate) fn short(number: f64) -> String {
    let of = |number: f64| format!("{}", (number * 1000.0).round() / 1000.0);
    match number {
        number if number >= 1e6 => of(number / 1e6) + "M",
        number if number >= 1e3 => of(number / 1e3) + "k",
        number => of(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_markup_is_text() {
        let mut sheet = Sheet::new(100.0);
        sheet.text((1.0, 2.0), Anchor::Start, "ink", "p99 POST -> 202 & <more>");
        assert!(sheet.end().contains(">p99 POST -&gt; 202 &amp; &lt;more&gt;</text>"));
    }

    #[test]
    fn a_panel_reaches_from_nothing_to_the_next_round_number() {
        let line = vec![(0.0, 0.0), (1.0, 40.0)];
        let ticks = vec![(0.0, "a".to_owned())];
        let lines = vec![("ours", line)];
        let panel = Panel { title: "t".to_owned(), span: (0.0, 1.0), ticks, lines, dots: true };
        let mut sheet = Sheet::new(PANEL.1);
        sheet.panel((0.0, 0.0), &panel);
        let drawn = sheet.end();
        assert!(drawn.contains("points=\"64.0,170.0 456.0,66.0\""), "{drawn}");
        assert!(drawn.contains(">50</text>") && drawn.contains(">12.5</text>"), "{drawn}");
    }
}
