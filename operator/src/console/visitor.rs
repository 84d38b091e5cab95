//! Who asks for a page: somebody who is signed in, or the way to the sign-in.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Method, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use epro_store::Bound;

use super::attempts::NotDone;
use super::desk::Desk;
use super::refused::{NOBODY, Refused};
use super::session::Session;

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    pub session: Session,
    /// What a form of theirs has to carry.
    pub form_token: String,
}

impl Visitor {
    /// Refuses whoever may only look.
    pub(crate) fn needs_operator(&self) -> Result<(), Refused> {
        if self.session.operates { Ok(()) } else { Err(Refused::role("console:operator")) }
    }

    /// Refuses whoever may not see what a patient said.
    pub(crate) fn needs_steward(&self) -> Result<(), Refused> {
        if self.session.reveals { Ok(()) } else { Err(Refused::role("console:steward")) }
    }
}

impl Visitor {
    /// What their token is bound to, in words; `None`: nothing binds it.
    pub(crate) fn bound(&self) -> Option<String> {
        let Bound { studies, sites } = &self.session.bound;
        let told = |what: &str, names: Option<&Vec<String>>| {
            names.map(|names| {
                if names.is_empty() { format!("no {what}") } else { format!("{what} {}", names.join(", ")) }
            })
        };
        match (told("study", studies.as_ref()), told("site", sites.as_ref())) {
            (Some(studies), Some(sites)) => Some(format!("{studies}; {sites}")),
            (studies, sites) => studies.or(sites),
        }
    }

    /// Refuses what is of a study or a site that their token isn't for.
    pub(crate) fn needs_own(&self, study: Option<&str>, site: Option<&str>) -> Result<(), Refused> {
        if self.session.bound.has(study, site) { Ok(()) } else { Err(Refused::elsewhere()) }
    }
}

impl FromRequestParts<Arc<Desk>> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, desk: &Arc<Desk>) -> Result<Self, Response> {
        let cookies = parts.headers.get(header::COOKIE).and_then(|value| value.to_str().ok());
        let Some(session) = cookies.and_then(|cookies| desk.sessions.read(cookies)) else {
            return Err(to_sign_in(parts));
        };
        let form_token = desk.sessions.form_token(&session);
        Ok(Self { session, form_token })
    }
}

/// A page is shown after the sign-in; a form has to be filled in again.
fn to_sign_in(parts: &Parts) -> Response {
    let page = parts.uri.path_and_query().map_or("/", |page| page.as_str());
    if parts.uri.path().starts_with("/live/") {
        return Refused::signed_out().into_response();
    }
    match parts.method {
        Method::GET if page != "/" => {
            let to: String = url_encoded(page);
            Redirect::to(&format!("/sign-in?to={to}")).into_response()
        }
        _ => NotDone::refused(NOBODY).beside(Redirect::to("/sign-in").into_response()),
    }
}

/// As a value of a query.
pub(crate) fn url_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
