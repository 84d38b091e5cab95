//! The four hours as one SVG: depth as an area, replicas as steps.

use std::fmt::Write as _;

use super::scenarios::Hour;
use super::simulation::Moment;

const WIDTH: f64 = 960.0;
const PANEL: f64 = 210.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 50.0;
const TOP: f64 = 40.0;
const HEIGHT: f64 = 130.0;

/// All hours below each other.
pub fn svg(hours: &[Hour], max: u32) -> String {
    let tall = PANEL * hours.len() as f64 + 40.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {tall}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{tall}\" fill=\"#fff\"/>\n"
    );
    for (number, hour) in hours.iter().enumerate() {
        panel(&mut out, hour, PANEL * number as f64, max);
    }
    let legend = [
        ("#9bb8d3", "waits (left axis)"),
        ("#c0392b", "workers (right axis)"),
        ("#b8860b", "waits for its hospital"),
    ];
    for (at, (colour, text)) in legend.iter().enumerate() {
        let (x, y) = (LEFT + 220.0 * at as f64, tall - 14.0);
        let _ =
            writeln!(out, "<rect x=\"{x}\" y=\"{}\" width=\"14\" height=\"10\" fill=\"{colour}\"/>", y - 9.0);
        let _ = writeln!(out, "<text x=\"{}\" y=\"{y}\">{text}</text>", x + 20.0);
    }
    out.push_str("</svg>\n");
    out
}

fn panel(out: &mut String, hour: &Hour, offset: f64, max: u32) {
    let (floor, wide) = (offset + TOP + HEIGHT, WIDTH - LEFT - RIGHT);
    let seconds = hour.moments.len().max(1) as f64;
    let waits = |moment: &Moment| if hour.hospitals { moment.hospitals } else { moment.depth };
    let top = nice(hour.moments.iter().map(waits).fold(100.0, f64::max));
    let x = |at: f64| LEFT + wide * at / seconds;
    let deep = |depth: f64| floor - HEIGHT * depth / top;
    let many = |number: f64| floor - HEIGHT * number / f64::from(max);
    let _ =
        writeln!(out, "<text x=\"{LEFT}\" y=\"{}\" font-size=\"14\">{}</text>", offset + 22.0, hour.title);
    for part in 0..=4 {
        let share = f64::from(part) / 4.0;
        let y = floor - HEIGHT * share;
        let _ = writeln!(
            out,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\" stroke=\"#ddd\"/>",
            WIDTH - RIGHT
        );
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            LEFT - 6.0,
            y + 4.0,
            count(top * share)
        );
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\">{}</text>",
            WIDTH - RIGHT + 6.0,
            y + 4.0,
            f64::from(max) * share
        );
        let minutes = seconds * share / 60.0;
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{minutes:.0} min</text>",
            x(seconds * share),
            floor + 16.0
        );
    }
    let step = (hour.moments.len() / 900).max(1);
    let mut area = format!("{LEFT:.1},{floor:.1}");
    for moment in hour.moments.iter().step_by(step) {
        let _ = write!(area, " {:.1},{:.1}", x(moment.at), deep(waits(moment)));
    }
    let _ = write!(area, " {:.1},{floor:.1}", x(seconds));
    let colour = if hour.hospitals { "#b8860b" } else { "#9bb8d3" };
    let _ = writeln!(out, "<polygon points=\"{area}\" fill=\"{colour}\" fill-opacity=\"0.7\"/>");
    let mut steps = String::new();
    let mut before = None;
    for moment in &hour.moments {
        if before != Some(moment.replicas) {
            if let Some(number) = before {
                let _ = write!(steps, " {:.1},{:.1}", x(moment.at), many(f64::from(number)));
            }
            let _ = write!(steps, " {:.1},{:.1}", x(moment.at), many(f64::from(moment.replicas)));
            before = Some(moment.replicas);
        }
    }
    let _ = write!(steps, " {:.1},{:.1}", x(seconds), many(f64::from(before.unwrap_or(0))));
    let _ = writeln!(
        out,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#c0392b\" stroke-width=\"2\"/>",
        steps.trim()
    );
}

/// The next number of the kind 1, 2, 5, 10 that is not smaller.
pub(crate) fn nice(most: f64) -> f64 {
    let ten = 10_f64.powf(most.log10().floor());
    [1.0, 2.0, 5.0, 10.0].iter().map(|part| part * ten).find(|top| *top >= most).unwrap_or(most)
}

fn count(number: f64) -> String {
    match number {
        number if number >= 1e6 => format!("{}M", number / 1e6),
        number if number >= 1e3 => format!("{}k", number / 1e3),
        number => format!("{number:.0}"),
    }
}
