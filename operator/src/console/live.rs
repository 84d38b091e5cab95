//! `GET /live/{shown}`: what changes on a page, as events: whenever something new was seen.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use epro_store::Bound;
use futures_util::stream::{self, Stream, StreamExt as _};
use time::OffsetDateTime;

use super::desk::Desk;
use super::frame::banner;
use super::live_page::{Draw, PAGES};
use super::refused::Refused;
use super::visitor::Visitor;

/// Says that the connection lives while nothing changes.
const ALIVE: Duration = Duration::from_secs(15);

pub(crate) async fn handle(
    State(desk): State<Arc<Desk>>,
    visitor: Visitor,
    Path(shown): Path<String>,
) -> Response {
    let page = PAGES.into_iter().find(|page| page.stream == shown);
    if page.is_none() && shown != "banner" {
        return Refused::absent("There is no such stream.").into_response();
    }
    let over = over(&desk, &visitor);
    let events = events(desk, visitor.session.bound, page.map(|page| page.draw)).take_until(Box::pin(over));
    Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE)).into_response()
}

/// A part of a page. What somebody wrote may have a carriage return in it, which no event can carry.
pub(crate) fn event(name: &str, html: &str) -> Event {
    Event::default().event(name).data(html.replace('\r', " "))
}

/// Until the session ends, alone or with all others, or the process leaves.
pub(crate) fn over(desk: &Desk, visitor: &Visitor) -> impl Future<Output = ()> + Send + use<> {
    let left = visitor.session.until - OffsetDateTime::now_utc().unix_timestamp();
    let end = tokio::time::sleep(Duration::from_secs(left.max(0).unsigned_abs()));
    let (all_ended, shutdown) = (desk.sessions.all_ended(&visitor.session), desk.shutdown.clone());
    async move {
        tokio::select! {
            () = end => {}
            () = all_ended => {}
            () = shutdown.requested() => {}
        }
    }
}

fn events(
    desk: Arc<Desk>,
    bound: Bound,
    draw: Option<Draw>,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let seen = desk.follow();
    let looks = stream::unfold(seen, async |mut seen| {
        seen.changed().await.ok()?;
        let picture = seen.borrow_and_update().clone();
        Some((picture, seen))
    });
    looks.flat_map(move |picture| {
        let page = draw.map(|draw| Ok(event("page", &draw(&desk, &bound, &picture))));
        let banner = Ok(event("banner", &banner(&desk, &picture)));
        stream::iter([Some(banner), page].into_iter().flatten())
    })
}
