//! The last quarter of an hour, a point a look: what the charts are drawn from.

use std::collections::VecDeque;

use epro_broker::topology;
use epro_store::Bound;
use time::OffsetDateTime;

use super::picture::Picture;

/// As many looks as a quarter of an hour has.
const POINTS: usize = 450;

/// The points, the oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    points: VecDeque<Point>,
}

/// What was seen at one time; what wasn't is `None`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Point {
    pub at: Option<OffsetDateTime>,
    /// Published a second to the queues of intake.
    pub accepted: Option<f64>,
    /// Stored a second.
    pub stored: Option<f64>,
    /// Ready in the queues of submissions.
    pub waiting: Option<f64>,
    /// Age of the oldest submission that isn't stored, in seconds.
    pub oldest: Option<f64>,
    /// Calls to hospitals a second.
    pub calls: Option<f64>,
    /// Alerts that aren't done.
    pub alerts: Option<f64>,
    /// Calls so far.
    all_calls: Option<i64>,
}

impl Point {
    /// Of what was seen just now.
    pub(crate) fn of(picture: &Picture, sites: &[String]) -> Self {
        let at = OffsetDateTime::now_utc();
        let broker = picture.broker.down.is_none();
        let lines = if broker { picture.queues(sites) } else { Vec::new() };
        let intake = || {
            let names = [topology::SUBMISSIONS_URGENT, topology::SUBMISSIONS_ROUTINE];
            lines.iter().filter(move |line| names.contains(&line.queue.as_str()))
        };
        let sum =
            |values: Vec<Option<f64>>| values.iter().flatten().copied().reduce(|sum, value| sum + value);
        let ready = intake().map(|line| line.ready.map(|ready| ready as f64)).collect();
        let tables = picture.tables.now();
        let oldest = intake().filter_map(|line| line.oldest).min();
        let nothing_waits = broker && intake().all(|line| line.ready == Some(0));
        let all_calls = tables.map(|tables| tables.hospitals.iter().map(|found| found.calls).sum::<i64>());
        let before = picture.history.points.back();
        Self {
            at: Some(at),
            accepted: sum(intake().map(|line| line.in_per_second).collect()),
            stored: tables.map(|tables| tables.overview.stored_rate),
            waiting: sum(ready),
            oldest: oldest
                .map(|since| (at - since).as_seconds_f64().max(0.0))
                .or(nothing_waits.then_some(0.0)),
            calls: before.and_then(|before| rate(before, all_calls?, at)),
            alerts: tables.map(|tables| tables.undone(&Bound::default()).0 as f64),
            all_calls,
        }
    }
}

fn rate(before: &Point, calls: i64, at: OffsetDateTime) -> Option<f64> {
    let seconds = (at - before.at?).as_seconds_f64();
    let more = (calls - before.all_calls?).max(0) as f64;
    (seconds > 0.0).then(|| more / seconds)
}

impl History {
    /// Adds what was seen last; what is older than a quarter of an hour goes.
    pub(crate) fn add(&mut self, point: Point) {
        if self.points.len() == POINTS {
            self.points.pop_front();
        }
        self.points.push_back(point);
    }

    /// How much of the quarter of an hour there is, from 0 to 1, and one value of every point.
    pub(crate) fn values(&self, value: impl Fn(&Point) -> Option<f64>) -> Vec<Option<f64>> {
        self.points.iter().map(value).collect()
    }

    /// What was seen last.
    pub(crate) fn last(&self) -> Option<&Point> {
        self.points.back()
    }

    /// All that a chart has room for.
    pub(crate) const fn room() -> usize {
        POINTS
    }
}
