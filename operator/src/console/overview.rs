//! `/`: the flow as a picture, what needs somebody, and the last quarter of an hour as charts.

use askama::Template;
use epro_store::Bound;

use super::chart::Chart;
use super::desk::Desk;
use super::flow::{self, Flow};
use super::picture::Picture;
use super::words;

#[derive(Template)]
#[template(path = "overview.html")]
struct Live {
    tiles: Vec<Tile>,
    flows: Vec<(&'static str, Flow)>,
    charts: Vec<Chart>,
}

/// One thing that may need somebody.
struct Tile {
    id: &'static str,
    to: &'static str,
    figure: String,
    what: String,
    mood: &'static str,
}

pub(crate) fn draw(desk: &Desk, _: &Bound, picture: &Picture) -> String {
    let nodes = flow::nodes(desk, picture);
    let live = Live {
        tiles: tiles(desk, picture),
        flows: vec![("wide", Flow::wide(&nodes)), ("tall", Flow::tall(&nodes))],
        charts: charts(picture),
    };
    live.render().unwrap_or_default()
}

fn tiles(desk: &Desk, picture: &Picture) -> Vec<Tile> {
    let lines = picture.queues(&desk.outside().hospitals());
    let broken = lines.iter().filter(|line| super::queues::mood(&line.state) == "bad").count();
    let broken = picture.broker.seen.is_some().then_some(broken);
    let tables = picture.tables.what();
    let known = |value: Option<i64>| words::or_unknown(value.map(words::count));
    let mood = |value: Option<i64>, some: &'static str| match value {
        None => "quiet",
        Some(0) => "ok",
        Some(_) => some,
    };
    let undone = tables.map(|tables| tables.undone(&Bound::default()));
    let (alerts, untold) = (undone.map(|(all, _)| all), undone.map_or(0, |(_, untold)| untold));
    let letters = tables.map(|tables| tables.overview.open());
    let shut = |site: &&epro_store::hospitals::HospitalStatus| super::hospitals::mood(site) == "bad";
    let shut =
        tables.map(|tables| tables.hospitals.iter().filter(shut).count().try_into().unwrap_or(i64::MAX));
    let pauses = tables.map(|tables| tables.pauses.len().try_into().unwrap_or(i64::MAX));
    let broken: Option<i64> = broken.map(|broken| broken.try_into().unwrap_or(i64::MAX));
    let tile = |id, to, value, what: &str, some| Tile {
        id,
        to,
        figure: known(value),
        what: what.to_owned(),
        mood: mood(value, some),
    };
    let told = if untold > 0 {
        format!("alerts not done, {untold} told to nobody")
    } else {
        "alerts not done".into()
    };
    vec![
        tile("t-alerts", "/alerts", alerts, &told, if untold > 0 { "bad" } else { "look" }),
        tile("t-letters", "/dead-letters", letters, "open dead letters", "look"),
        tile("t-hospitals", "/hospitals", shut, "hospitals not called", "bad"),
        tile("t-queues", "/queues", broken, "queues without a consumer", "bad"),
        tile("t-pauses", "/pauses", pauses, "paused", "look"),
    ]
}

fn charts(picture: &Picture) -> Vec<Chart> {
    let history = &picture.history;
    vec![
        Chart::of("Accepted", "a second", &history.values(|point| point.accepted)),
        Chart::of("Stored", "a second", &history.values(|point| point.stored)),
        Chart::of("Submissions that wait", "", &history.values(|point| point.waiting)),
        Chart::of("Oldest that waits", "seconds", &history.values(|point| point.oldest)),
        Chart::of("Hospital calls", "a second", &history.values(|point| point.calls)),
        Chart::of("Alerts not done", "", &history.values(|point| point.alerts)),
    ]
}
