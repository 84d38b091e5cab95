//! A page whose content changes by itself, unless it is asked to stand still.

use askama::Template;
use axum::response::Response;
use serde::Deserialize;

use super::desk::Desk;
use super::frame::{Frame, page};
use super::picture::Picture;
use super::visitor::Visitor;
use super::words;

/// `?still=1`: nothing moves while somebody reads. `?told=`: what was just done.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Still {
    still: Option<String>,
    told: Option<String>,
}

impl Still {
    /// What was just done, by its word.
    pub(crate) fn told(&self) -> Option<&str> {
        self.told.as_deref()
    }
}

#[derive(Template)]
#[template(path = "live.html")]
struct Live {
    frame: Frame,
    still: bool,
    at: String,
    live: String,
}

/// The page at `here` with the title, and the name of its stream.
pub(crate) fn live_page(
    desk: &Desk,
    visitor: Visitor,
    still: &Still,
    (here, title, stream): (&'static str, &'static str, &'static str),
    draw: fn(&Desk, &Picture) -> String,
) -> Response {
    let picture = desk.picture();
    let stands = still.still.is_some();
    let mut frame = Frame::of(desk, visitor, here, title).telling(still.told());
    frame.stream = (!stands).then(|| format!("/live/{stream}"));
    let at = words::instant(time::OffsetDateTime::now_utc());
    page(&Live { frame, still: stands, at, live: draw(desk, &picture) })
}
