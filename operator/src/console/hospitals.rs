//! `/hospitals`: how each is, as the owner of its lease sees it.

use askama::Template;
use epro_store::Bound;
use epro_store::hospitals::HospitalStatus;

use super::desk::Desk;
use super::picture::Picture;
use super::words;
use crate::hospitals;

#[derive(Template)]
#[template(path = "hospitals.html")]
struct Live {
    seen: bool,
    rows: Vec<Row>,
}

struct Row {
    site: String,
    protocol: &'static str,
    state: String,
    mood: &'static str,
    since: String,
    owner: String,
    waiting: String,
    oldest: String,
    limit: String,
    calls: String,
    dead_letters: i64,
    error: Option<(String, String)>,
    paused: bool,
}

pub(crate) fn draw(desk: &Desk, _: &Bound, picture: &Picture) -> String {
    let tables = picture.tables.what();
    let rows = tables.map_or(&[][..], |tables| &tables.hospitals[..]).iter().map(|found| row(desk, found));
    Live { seen: tables.is_some(), rows: rows.collect() }.render().unwrap_or_default()
}

fn row(desk: &Desk, found: &HospitalStatus) -> Row {
    let hospital = desk.config.hospitals.get(&found.site_id);
    let error = found
        .last_error
        .clone()
        .map(|error| (error, found.last_error_at.map_or_else(String::new, words::age)));
    Row {
        site: found.site_id.clone(),
        protocol: hospitals::protocol(&desk.config, &found.site_id),
        state: hospitals::state(found),
        mood: mood(found),
        since: found.gate_since.map_or_else(|| "–".into(), words::age),
        owner: found.owner.map_or_else(|| "nobody".into(), |owner| owner.to_string()[..8].to_owned()),
        waiting: words::count(found.waiting),
        oldest: found.oldest.map_or_else(|| "–".into(), words::age),
        limit: hospital.map_or_else(|| "–".into(), |hospital| words::figure(hospital.calls_per_second)),
        calls: format!(
            "{} taken, {} refused, {} failed",
            words::count(found.taken),
            words::count(found.refused),
            words::count(found.failed)
        ),
        dead_letters: found.dead_letters,
        error,
        paused: found.paused.is_some(),
    }
}

/// How a hospital looks.
pub(crate) fn mood(found: &HospitalStatus) -> &'static str {
    match (&found.paused, found.gate.as_deref()) {
        (Some(_), _) => "look",
        (None, _) if hospitals::uncalled(found) => "bad",
        (None, Some("closed")) => "ok",
        (None, None) => "quiet",
        (None, Some("half_open")) => "look",
        (None, Some(_)) => "bad",
    }
}
