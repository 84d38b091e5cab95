//! Two drawings of the same boxes: side by side for a screen, one under the other for a phone.

use epro_broker::topology;

use super::{Column, Node};

const HIGH: u32 = 78;
const GAP: u32 = 16;

/// A drawing.
#[derive(Debug)]
pub(crate) struct Flow {
    pub wide: u32,
    pub high: u32,
    pub boxes: Vec<Placed>,
    pub paths: Vec<Path>,
}

/// A box and its place.
#[derive(Debug)]
pub(crate) struct Placed {
    pub node: Node,
    pub x: u32,
    pub y: u32,
    pub w: u32,
    pub h: u32,
}

/// A way from one box to another.
#[derive(Debug)]
pub(crate) struct Path {
    pub d: String,
    /// To what is set aside.
    pub aside: bool,
}

impl Flow {
    /// Side by side.
    pub(crate) fn wide(nodes: &[Node]) -> Self {
        let of = |column| nodes.iter().filter(move |node| node.column == column);
        let rows = u32::try_from(of(Column::After).count().max(4)).unwrap_or(4);
        let high = rows * (HIGH + GAP) + 8;
        let mut boxes = Vec::new();
        let mut place = |column, x, w, middle: u32| {
            let count = u32::try_from(of(column).count()).unwrap_or(1);
            let top = middle.saturating_sub((count * (HIGH + GAP) - GAP) / 2).max(8);
            for (at, node) in (0..).zip(of(column)) {
                boxes.push(Placed { node: node.clone(), x, y: top + at * (HIGH + GAP), w, h: HIGH });
            }
        };
        let middle = high / 2;
        place(Column::Intake, 8, 190, middle);
        place(Column::Queue, 270, 300, middle);
        place(Column::Stored, 642, 170, middle);
        place(Column::After, 884, 308, middle);
        place(Column::Aside, 612, 230, (middle + HIGH + 2 * GAP + HIGH / 2).min(high - 8 - HIGH / 2));
        let paths = paths(&boxes, side);
        Self { wide: 1200, high, boxes, paths }
    }

    /// One under the other.
    pub(crate) fn tall(nodes: &[Node]) -> Self {
        let mut boxes: Vec<Placed> = Vec::new();
        let mut y = 8;
        for node in nodes {
            // The ways need room between the columns.
            if boxes.last().is_some_and(|last| last.node.column != node.column) {
                y += 14;
            }
            boxes.push(Placed { node: node.clone(), x: 4, y, w: 352, h: HIGH });
            y += HIGH + 8;
        }
        let paths = paths_down(&boxes);
        Self { wide: 360, high: y + 4, boxes, paths }
    }
}

/// From every box of a column to every one of the next.
fn paths(boxes: &[Placed], way: fn(&Placed, &Placed) -> String) -> Vec<Path> {
    let ways = [
        (Column::Intake, Column::Queue),
        (Column::Queue, Column::Stored),
        (Column::Stored, Column::After),
        (Column::Stored, Column::Aside),
    ];
    let mut paths = Vec::new();
    for (from, to) in ways {
        for start in boxes.iter().filter(|placed| placed.node.column == from) {
            // Nothing comes to the deferred queue from the door: only what has waited.
            let deferred = topology::SUBMISSIONS_DEFERRED.replace('.', "-");
            let ends = boxes.iter().filter(|placed| placed.node.column == to);
            for end in ends.filter(|end| from != Column::Intake || end.node.name != deferred) {
                let aside = to == Column::Aside;
                let d = if aside { down(start, end) } else { way(start, end) };
                paths.push(Path { d, aside });
            }
        }
    }
    paths
}

fn paths_down(boxes: &[Placed]) -> Vec<Path> {
    let pairs = boxes.iter().zip(boxes.iter().skip(1));
    let ways = pairs.filter(|(start, end)| start.node.column != end.node.column);
    ways.map(|(start, end)| Path { d: down(start, end), aside: end.node.column == Column::Aside }).collect()
}

fn side(start: &Placed, end: &Placed) -> String {
    let (x1, y1) = (start.x + start.w, start.y + start.h / 2);
    let (x2, y2) = (end.x, end.y + end.h / 2);
    let half = x1.midpoint(x2);
    format!("M{x1} {y1}C{half} {y1} {half} {y2} {x2} {y2}")
}

fn down(start: &Placed, end: &Placed) -> String {
    let (x1, x2) = (start.x + start.w / 2, end.x + end.w / 2);
    format!("M{x1} {}L{x2} {}", start.y + start.h, end.y)
}
