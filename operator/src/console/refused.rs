//! A page that says why something was not done.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::frame::{Frame, page_as};

/// Why something was not done, and what to do about it.
#[derive(Debug)]
pub(crate) struct Refused {
    status: StatusCode,
    title: &'static str,
    text: String,
}

#[derive(Template)]
#[template(path = "refused.html")]
struct Page {
    frame: Frame,
    text: String,
}

impl Refused {
    fn new(status: StatusCode, title: &'static str, text: impl Into<String>) -> Self {
        Self { status, title, text: text.into() }
    }

    /// The token's scope doesn't allow it.
    pub(crate) fn role(scope: &str) -> Self {
        let text = format!("This needs the scope {scope}: sign in with a token that has it.");
        Self::new(StatusCode::FORBIDDEN, "You may not do this", text)
    }

    /// The form isn't one of this session's pages.
    pub(crate) fn forged() -> Self {
        let text = "The form doesn't belong to this session. Nothing was done. Open the page again.";
        Self::new(StatusCode::FORBIDDEN, "Not from this page", text)
    }

    /// Nobody is signed in.
    pub(crate) fn signed_out() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Signed out", "Sign in again.")
    }

    /// Something in the form or the address can't be used.
    pub(crate) fn invalid(text: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "That can't be used", text)
    }

    /// There is no such thing.
    pub(crate) fn absent(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not found", text)
    }

    /// PostgreSQL doesn't say what it is.
    pub(crate) fn unseen(why: String) -> Self {
        let text = format!("PostgreSQL: {why}.");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "It can't be looked up now", text)
    }

    /// A server that is needed doesn't do it.
    pub(crate) fn down(text: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Not done", text)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        page_as(self.status, &Page { frame: Frame::bare(self.title), text: self.text })
    }
}
