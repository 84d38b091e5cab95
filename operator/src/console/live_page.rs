//! A page whose content changes by itself, unless it is asked to stand still.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use epro_store::Bound;
use serde::Deserialize;

use super::desk::Desk;
use super::frame::{Frame, page};
use super::picture::Picture;
use super::visitor::Visitor;
use super::{alerts, hospitals, overview, queues, words};

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

/// Draws what changes on a page of somebody who is bound so.
pub(crate) type Draw = fn(&Desk, &Bound, &Picture) -> String;

/// A page whose content changes by itself.
#[derive(Clone, Copy)]
pub(crate) struct LivePage {
    pub path: &'static str,
    title: &'static str,
    /// The name of its stream.
    pub stream: &'static str,
    pub draw: Draw,
}

/// Alerts that aren't done.
pub(crate) const ALERTS: LivePage =
    LivePage { path: "/alerts", title: "Alerts", stream: "alerts", draw: alerts::draw };

/// All of them.
pub(crate) const PAGES: [LivePage; 4] = [
    LivePage { path: "/", title: "Overview", stream: "overview", draw: overview::draw },
    LivePage { path: "/queues", title: "Queues", stream: "queues", draw: queues::draw },
    LivePage { path: "/hospitals", title: "Hospitals", stream: "hospitals", draw: hospitals::draw },
    ALERTS,
];

impl LivePage {
    /// Answers with it.
    pub(crate) fn route(self) -> MethodRouter<Arc<Desk>> {
        get(async move |State(desk): State<Arc<Desk>>, visitor: Visitor, Query(still): Query<Still>| {
            self.page(&desk, visitor, &still)
        })
    }

    /// The page.
    pub(crate) fn page(self, desk: &Desk, visitor: Visitor, still: &Still) -> Response {
        let picture = desk.picture();
        let stands = still.still.is_some();
        let live = (self.draw)(desk, &visitor.session.bound, &picture);
        let mut frame = Frame::of(desk, visitor, self.path, self.title).telling(still.told());
        frame.stream = (!stands).then(|| format!("/live/{}", self.stream));
        let at = words::instant(time::OffsetDateTime::now_utc());
        page(&Live { frame, still: stands, at, live })
    }
}
