//! A page that says why something was not done.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::attempts::NotDone;
use super::desk::Desk;
use super::frame::{Frame, banner, page_as};

/// Nobody is signed in.
pub(super) const NOBODY: &str = "nobody is signed in";
const AWAY: &str = "a server that it needs didn't do it, or didn't say so in time";

/// Why something was not done, and what to do about it.
#[derive(Debug)]
pub(crate) struct Refused {
    status: StatusCode,
    title: &'static str,
    text: String,
    /// For the audit trail, if it was an act.
    why: String,
    /// What is down, as HTML.
    banner: String,
}

#[derive(Template)]
#[template(path = "refused.html")]
struct Page {
    frame: Frame,
    text: String,
}

impl Refused {
    fn new(status: StatusCode, title: &'static str, text: impl Into<String>, why: &str) -> Self {
        Self { status, title, text: text.into(), why: why.to_owned(), banner: String::new() }
    }

    /// The token's scope doesn't allow it.
    pub(crate) fn role(scope: &str) -> Self {
        let text = format!("This needs the scope {scope}: sign in with a token that has it.");
        Self::new(StatusCode::FORBIDDEN, "You may not do this", text, &format!("needs the scope {scope}"))
    }

    /// It is another's, as the token's `study` and `site` have it, or nobody knows whose.
    pub(crate) fn elsewhere() -> Self {
        let text =
            "It belongs to a study or a site that your token isn't for, or nobody knows to which it belongs.";
        Self::new(StatusCode::FORBIDDEN, "You may not do this", text, "of no study or site of the token")
    }

    /// The form isn't one of this session's pages.
    pub(crate) fn forged() -> Self {
        let text = "The form doesn't belong to this session. Nothing was done. Open the page again.";
        Self::new(StatusCode::FORBIDDEN, "Not from this page", text, "the form is of no page of this session")
    }

    /// Nobody is signed in.
    pub(crate) fn signed_out() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Signed out", "Sign in again.", NOBODY)
    }

    /// Something in the form or the address can't be used.
    pub(crate) fn invalid(text: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "That can't be used", text, "can't be used")
    }

    /// There is no such thing.
    pub(crate) fn absent(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not found", text, "there is no such thing")
    }

    /// PostgreSQL doesn't say what it is.
    pub(crate) fn unseen(desk: &Desk, why: &str) -> Self {
        let text = format!("PostgreSQL: {why}.");
        let refused = Self::new(StatusCode::SERVICE_UNAVAILABLE, "It can't be looked up now", text, AWAY);
        Self { banner: banner(desk, &desk.picture()), ..refused }
    }

    /// A server that is needed doesn't do it.
    pub(crate) fn down(text: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Not done", text, AWAY)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let frame = Frame { banner: self.banner, ..Frame::bare(self.title) };
        let why = if self.status.is_server_error() {
            NotDone::failed(self.why)
        } else {
            NotDone::refused(self.why)
        };
        why.beside(page_as(self.status, &Page { frame, text: self.text }))
    }
}
