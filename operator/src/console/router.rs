//! The routes. All but the sign-in and the files need somebody who is signed in.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;

use super::desk::Desk;
use super::live_page::PAGES;
use super::refused::Refused;
use super::{
    alerts, attempts, audit, dead_letter, dead_letters, files, guard, live, live_page, pauses, redrive,
    redrives, sign_in, submissions,
};

/// The largest form: a token, or a reason.
const FORM: usize = 16 * 1024;

/// The console.
pub(crate) fn router(desk: Arc<Desk>) -> Router {
    // One of them shows more than what is live.
    let live_pages = PAGES.into_iter().filter(|page| page.path != live_page::ALERTS.path);
    live_pages
        .fold(Router::new(), |router, page| router.route(page.path, page.route()))
        .route("/alerts", get(alerts::list))
        .route("/alerts/{id}", get(alerts::show))
        .route("/alerts/{id}/close", post(alerts::close))
        .route("/dead-letters", get(dead_letters::list))
        .route("/dead-letters/{id}", get(dead_letter::show))
        .route("/dead-letters/{id}/reveal", post(dead_letter::reveal))
        .route("/dead-letters/{id}/discard", post(dead_letter::discard))
        .route("/redrives", get(redrives::list).post(redrives::create))
        .route("/redrives/{id}", get(redrive::show))
        .route("/redrives/{id}/live", get(redrive::live))
        .route("/redrives/{id}/cancel", post(redrive::cancel))
        .route("/redrives/{id}/resume", post(redrive::resume))
        .route("/submissions", get(submissions::handle))
        .route("/audit", get(audit::handle))
        .route("/pauses", get(pauses::handle))
        .route("/pauses/set", post(pauses::pause))
        .route("/pauses/end", post(pauses::resume))
        .route("/live/{shown}", get(live::handle))
        .route("/sign-in", get(sign_in::page).post(sign_in::enter))
        .route("/sign-out", post(sign_in::leave))
        .route("/files/{name}", get(files::handle))
        .fallback(async || Refused::absent("There is no such page.").into_response())
        .layer(CatchPanicLayer::new())
        .layer(DefaultBodyLimit::max(FORM))
        .layer(middleware::from_fn_with_state(desk.clone(), guard::forms))
        .layer(middleware::from_fn_with_state(desk.clone(), attempts::note))
        .layer(middleware::from_fn(guard::headers))
        .with_state(desk)
}
