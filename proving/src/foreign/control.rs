//! The door through which a running system is told how to behave, and asked what it saw.
//!
//! `GET /manner`, `PUT /manner` (all of it: what is left out is as by default), `GET /calls` (a JSON array).

use axum::routing::get;
use axum::{Json, Router};

use super::{Calls, Manner, Mannered};

/// The routes that every foreign system has.
pub fn routes(manner: &Mannered, calls: &Calls) -> Router {
    let (show, change, calls) = (manner.clone(), manner.clone(), calls.clone());
    Router::new()
        .route(
            "/manner",
            get(move || async move { Json(show.get()) })
                .put(move |Json(manner): Json<Manner>| async move { change.set(manner) }),
        )
        .route("/calls", get(move || async move { Json(calls.all()) }))
}
