//! `/queues`: what waits in each, since when, what comes and goes, and who consumes.

use askama::Template;
use epro_store::Bound;

use super::desk::Desk;
use super::picture::Picture;
use super::words;
use crate::queues::Line;

#[derive(Template)]
#[template(path = "queues.html")]
struct Live {
    seen: bool,
    groups: Vec<Group>,
}

struct Group {
    title: &'static str,
    rows: Vec<Row>,
}

struct Row {
    queue: String,
    state: String,
    /// `ok`, `look`, `bad` or `quiet`.
    mood: &'static str,
    ready: String,
    unacked: String,
    into: String,
    out: String,
    consumers: String,
    oldest: String,
}

pub(crate) fn draw(desk: &Desk, _: &Bound, picture: &Picture) -> String {
    let lines = picture.queues(&desk.outside().hospitals());
    let group = |title, of: &dyn Fn(&str) -> bool| Group {
        title,
        rows: lines.iter().filter(|line| of(&line.queue)).map(row).collect(),
    };
    let hospital = |queue: &str| queue.starts_with("epro.his.") || queue.starts_with("epro.query.");
    let wait = |queue: &str| queue.starts_with("epro.wait.");
    let groups = vec![
        group("Work", &|queue| !hospital(queue) && !wait(queue)),
        group("Hospitals", &hospital),
        group("Wait tiers", &wait),
    ];
    Live { seen: !lines.is_empty(), groups }.render().unwrap_or_default()
}

fn row(line: &Line) -> Row {
    let count = |count: Option<u64>| words::or_unknown(count.map(words::count));
    let rate = |rate: Option<f64>| words::or_unknown(rate.map(words::figure));
    let nothing = line.ready == Some(0) && line.unacked.unwrap_or(0) == 0;
    let oldest = line.oldest.map(words::age);
    Row {
        queue: line.queue.clone(),
        state: line.state.clone(),
        mood: mood(&line.state),
        ready: count(line.ready),
        unacked: count(line.unacked),
        into: rate(line.in_per_second),
        out: rate(line.out_per_second),
        consumers: count(line.consumers),
        oldest: oldest.unwrap_or_else(|| if nothing { "–".into() } else { "unknown".into() }),
    }
}

/// How a queue's state looks.
pub(crate) fn mood(state: &str) -> &'static str {
    match state {
        "consumed" => "ok",
        "waits" => "quiet",
        // For a moment after it was declared, or while the tables are away, which the banner says.
        "unknown" => "look",
        paused if paused.starts_with("paused") => "look",
        _ => "bad",
    }
}
