//! The flow through the lanes as a picture: intake, queues, stored, hospitals and alerts.
//!
//! Its boxes are here, where they are drawn is in [`drawing`].

mod drawing;

use epro_broker::topology;
use epro_store::Bound;

pub(crate) use drawing::Flow;

use super::desk::Desk;
use super::picture::{Picture, Tables};
use super::{hospitals, queues, words};
use crate::queues::Line;

/// Hospitals that have a box of their own.
const HOSPITALS: usize = 6;

/// A box of the picture.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    column: Column,
    pub name: String,
    pub to: &'static str,
    pub title: String,
    pub figure: String,
    pub unit: &'static str,
    pub line: String,
    pub mood: &'static str,
    /// How it stands, in a word: the mood is no colour alone.
    pub state: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Intake,
    Queue,
    Stored,
    After,
    Aside,
}

/// The boxes, as of what was seen last.
pub(crate) fn nodes(desk: &Desk, picture: &Picture) -> Vec<Node> {
    let sites = desk.outside().hospitals();
    let lines = picture.queues(&sites);
    let tables = picture.tables.what();
    let mut nodes = vec![intake(picture)];
    for (queue, title) in [
        (topology::SUBMISSIONS_URGENT, "Urgent"),
        (topology::SUBMISSIONS_ROUTINE, "Routine"),
        (topology::SUBMISSIONS_DEFERRED, "Deferred"),
    ] {
        nodes.push(waiting(queue, title, lines.iter().find(|line| line.queue == queue)));
    }
    nodes.push(stored(tables));
    nodes.push(alerts(tables, lines.iter().find(|line| line.queue == topology::ALERTS)));
    nodes.extend(tables.into_iter().flat_map(|tables| hospital_nodes(tables, &lines)));
    nodes.push(aside(tables));
    nodes
}

fn intake(picture: &Picture) -> Node {
    let rate = picture.history.last().and_then(|point| point.accepted);
    Node {
        column: Column::Intake,
        name: "intake".into(),
        to: "/queues",
        title: "Intake".into(),
        figure: words::or_unknown(rate.map(words::figure)),
        unit: "a second",
        line: String::new(),
        mood: if rate.is_some() { "ok" } else { "quiet" },
        state: "producer-api".into(),
    }
}

fn waiting(queue: &str, title: &str, line: Option<&Line>) -> Node {
    let state = line.map_or("unknown", |line| line.state.as_str());
    let rate = |rate: Option<f64>| words::or_unknown(rate.map(words::figure));
    let (into, out) = (line.and_then(|line| line.in_per_second), line.and_then(|line| line.out_per_second));
    let age = line.and_then(|line| line.oldest).map(words::age);
    Node {
        column: Column::Queue,
        name: queue.replace('.', "-"),
        to: "/queues",
        title: title.into(),
        figure: words::or_unknown(line.and_then(|line| line.ready).map(words::count)),
        unit: "wait",
        line: match age {
            Some(age) => format!("in {} · out {} · oldest {age}", rate(into), rate(out)),
            None => format!("in {} · out {} a second", rate(into), rate(out)),
        },
        mood: if line.is_some() { queues::mood(state) } else { "quiet" },
        state: state.split(':').next().unwrap_or(state).to_owned(),
    }
}

fn stored(tables: Option<&Tables>) -> Node {
    let rate = tables.map(|tables| tables.overview.stored_rate);
    Node {
        column: Column::Stored,
        name: "stored".into(),
        to: "/submissions",
        title: "Stored".into(),
        figure: words::or_unknown(rate.map(words::figure)),
        unit: "a second",
        line: String::new(),
        mood: if rate.is_some() { "ok" } else { "quiet" },
        state: "PostgreSQL".into(),
    }
}

fn alerts(tables: Option<&Tables>, queue: Option<&Line>) -> Node {
    let undone = tables.map(|tables| tables.undone(&Bound::default()));
    let ready = queue.and_then(|queue| queue.ready).map_or_else(|| "?".to_owned(), words::count);
    Node {
        column: Column::After,
        name: "alerts".into(),
        to: "/alerts",
        title: "Alerts".into(),
        figure: words::or_unknown(undone.map(|(all, _)| words::count(all))),
        unit: "not done",
        line: format!("{ready} in the queue · {} told to nobody", undone.map_or(0, |(_, untold)| untold)),
        mood: match undone {
            None => "quiet",
            Some((0, _)) => "ok",
            Some((_, 0)) => "look",
            Some(_) => "bad",
        },
        state: queue
            .map_or("unknown".into(), |queue| queue.state.split(':').next().unwrap_or_default().to_owned()),
    }
}

fn hospital_nodes(tables: &Tables, lines: &[Line]) -> Vec<Node> {
    let mut nodes: Vec<Node> = tables
        .hospitals
        .iter()
        .take(HOSPITALS)
        .map(|found| {
            let queue = topology::his(&found.site_id);
            let out = lines.iter().find(|line| line.queue == queue).and_then(|line| line.out_per_second);
            let oldest = found.oldest.map(|oldest| format!(" · oldest {}", words::age(oldest)));
            Node {
                column: Column::After,
                name: format!("his-{}", found.site_id),
                to: "/hospitals",
                title: found.site_id.clone(),
                figure: words::count(found.waiting),
                unit: "wait",
                line: format!(
                    "out {} a second{}",
                    words::or_unknown(out.map(words::figure)),
                    oldest.unwrap_or_default()
                ),
                mood: hospitals::mood(found),
                state: match (&found.paused, &found.gate) {
                    (Some(_), _) => "paused".into(),
                    (None, _) if crate::hospitals::uncalled(found) => "nobody calls it".into(),
                    (None, Some(gate)) => format!("gate {}", gate.replace('_', "-")),
                    (None, None) => "never called".into(),
                },
            }
        })
        .collect();
    if let Some(more) = tables.hospitals.len().checked_sub(HOSPITALS).filter(|more| *more > 0) {
        let rest = tables.hospitals.iter().skip(HOSPITALS);
        nodes.push(Node {
            column: Column::After,
            name: "his-more".into(),
            to: "/hospitals",
            title: format!("{more} more hospitals"),
            figure: words::count(rest.clone().map(|found| found.waiting).sum::<i64>()),
            unit: "wait",
            line: String::new(),
            mood: if rest.clone().any(|found| hospitals::mood(found) == "bad") { "bad" } else { "ok" },
            state: String::new(),
        });
    }
    nodes
}

fn aside(tables: Option<&Tables>) -> Node {
    let open = tables.map(|tables| tables.overview.open());
    let mut classes: Vec<(&str, i64)> = Vec::new();
    for some in tables.map_or(&[][..], |tables| &tables.overview.set_aside) {
        match classes.iter_mut().find(|(class, _)| *class == some.class) {
            Some((_, count)) => *count += some.open,
            None => classes.push((&some.class, some.open)),
        }
    }
    classes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let most: Vec<String> = classes.iter().take(2).map(|(class, count)| format!("{count} {class}")).collect();
    Node {
        column: Column::Aside,
        name: "aside".into(),
        to: "/dead-letters",
        title: "Dead letters".into(),
        figure: words::or_unknown(open.map(words::count)),
        unit: "open",
        line: most.join(" · "),
        mood: match open {
            None => "quiet",
            Some(0) => "ok",
            Some(_) => "look",
        },
        state: String::new(),
    }
}
