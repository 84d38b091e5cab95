//! Faults by kind as bars, and beside each other what every run came to.

use std::fmt::Write as _;

use super::{Record, in_all, sorted};

const WIDTH: f64 = 960.0;
const LEFT: f64 = 200.0;
const RIGHT: f64 = 60.0;
const TOP: f64 = 40.0;
const ROW: f64 = 20.0;
/// The strip of the runs, below the bars.
const STRIP: f64 = 90.0;

/// All of it.
pub(super) fn svg(records: &[Record]) -> String {
    let all = in_all(records);
    let kinds = sorted(&all.faults);
    let bars = ROW * kinds.len() as f64;
    let tall = TOP + bars + STRIP;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {tall}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{tall}\" fill=\"#fff\"/>\n\
         <text x=\"20\" y=\"24\" font-size=\"14\">faults by kind</text>\n"
    );
    let most = kinds.iter().map(|(_, count)| *count).max().unwrap_or(1).max(1) as f64;
    for (place, (kind, count)) in kinds.iter().enumerate() {
        bar(&mut out, TOP + ROW * place as f64, kind, *count, most);
    }
    strip(&mut out, records, TOP + bars + 24.0);
    out.push_str("</svg>\n");
    out
}

fn bar(out: &mut String, y: f64, kind: &str, count: usize, most: f64) {
    let wide = (WIDTH - LEFT - RIGHT) * count as f64 / most;
    let (text, above) = (y + 14.0, y + 3.0);
    let _ = writeln!(out, "<text x=\"{}\" y=\"{text}\" text-anchor=\"end\">{kind}</text>", LEFT - 8.0);
    let _ = writeln!(
        out,
        "<rect x=\"{LEFT}\" y=\"{above}\" width=\"{wide:.1}\" height=\"14\" fill=\"#9bb8d3\"/>"
    );
    let _ = writeln!(out, "<text x=\"{:.1}\" y=\"{text}\">{count}</text>", LEFT + wide + 6.0);
}

/// A box a run: as promised, or not.
fn strip(out: &mut String, records: &[Record], y: f64) {
    let _ = writeln!(out, "<text x=\"20\" y=\"{y}\" font-size=\"14\">runs, in their order</text>");
    let step = (WIDTH - 40.0) / records.len().max(1) as f64;
    let wide = (step * 0.8).clamp(1.0, 24.0);
    for (place, record) in records.iter().enumerate() {
        let colour = if record.wrong.is_none() { "#4a8f5a" } else { "#c0392b" };
        let x = 20.0 + step.min(30.0) * place as f64;
        let _ = writeln!(
            out,
            "<rect x=\"{x:.1}\" y=\"{}\" width=\"{wide:.1}\" height=\"14\" fill=\"{colour}\"><title>seed {}</title></rect>",
            y + 10.0,
            record.seed
        );
    }
    let y = y + 44.0;
    for (at, (colour, text)) in
        [("#4a8f5a", "as promised"), ("#c0392b", "not as promised")].iter().enumerate()
    {
        let x = 20.0 + 150.0 * at as f64;
        let _ =
            writeln!(out, "<rect x=\"{x}\" y=\"{}\" width=\"14\" height=\"10\" fill=\"{colour}\"/>", y - 9.0);
        let _ = writeln!(out, "<text x=\"{}\" y=\"{y}\">{text}</text>", x + 20.0);
    }
}
