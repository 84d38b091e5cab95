//! Acts that somebody asked for and that were not done: each is in the audit trail, whatever stopped it.
//!
//! What is done is written down where it is done, in its transaction. This looks at what is answered to a form: an
//! act that is added later is covered as well.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use epro_process::traces;
use epro_store::audit::network;
use uuid::Uuid;

use super::desk::Desk;
use super::turned_away::Attempt;

/// Whose token it was nobody writes down: it may be a patient's.
const SIGN_IN: &str = "console.sign_in";

/// The routes that do something, and what the trail calls it.
const ACTS: [(&str, &str); 10] = [
    ("/alerts/{id}/close", "alert.closed"),
    ("/dead-letters/{id}/reveal", "dead_letter.revealed"),
    ("/dead-letters/{id}/discard", "dead_letter.discarded"),
    ("/redrives", "redrive.created"),
    ("/redrives/{id}/cancel", "redrive.cancelled"),
    ("/redrives/{id}/resume", "redrive.resumed"),
    ("/pauses/set", "pause.set"),
    ("/pauses/end", "pause.ended"),
    ("/sign-in", SIGN_IN),
    ("/sign-out", "console.signed_out"),
];

/// Why something was not done. Whoever refuses lays it beside the answer.
#[derive(Clone, Debug)]
pub(crate) struct NotDone {
    /// `refused`: it may not be. `failed`: it may, and could not be.
    pub outcome: &'static str,
    /// In words of ours.
    pub why: String,
    /// The client that a token names which is believed, but allows nothing here.
    pub client: Option<Arc<str>>,
}

impl NotDone {
    pub(crate) fn refused(why: impl Into<String>) -> Self {
        Self { outcome: "refused", why: why.into(), client: None }
    }

    pub(crate) fn failed(why: impl Into<String>) -> Self {
        Self { outcome: "failed", why: why.into(), client: None }
    }

    /// Beside an answer.
    pub(crate) fn beside(self, mut response: Response) -> Response {
        response.extensions_mut().insert(self);
        response
    }

    /// What an answer says of it.
    fn of(response: &Response) -> Option<Self> {
        let said = response.extensions().get::<Self>().cloned();
        said.or_else(|| match response.status() {
            status if status.is_server_error() => Some(Self::failed("it broke off")),
            status if status.is_client_error() => Some(Self::refused("what was sent can't be read")),
            _ => None,
        })
    }
}

/// The trace that an act belongs to: its request's, or a new one.
#[derive(Clone, Debug)]
pub(crate) struct TraceId(pub String);

impl TraceId {
    /// A header of another form is as good as none: it could hold anything.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let header = headers.get("traceparent").and_then(|value| value.to_str().ok());
        Self(header.and_then(traces::parse).map_or_else(traces::new_id, |(id, _)| id.to_owned()))
    }
}

/// Counts what was not done, on its way into the trail. What is done finds its trace beside the request.
pub(crate) async fn note(State(desk): State<Arc<Desk>>, mut request: Request, next: Next) -> Response {
    let Some(action) = act(&request) else { return next.run(request).await };
    let trace = TraceId::of(request.headers());
    request.extensions_mut().insert(trace.clone());
    // Now: who signs out is nobody afterwards.
    let who = if action == SIGN_IN { None } else { signed_in(&desk, &request) };
    // Only of somebody whose name stands beside it: anybody else could fill the trail with addresses.
    let about = who.as_ref().and_then(|_| about(request.uri().path()));
    let from = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|from| network(from.0.ip()));
    let response = next.run(request).await;
    if let Some(not_done) = NotDone::of(&response) {
        let NotDone { outcome, why, client } = not_done;
        let attempt = Attempt { action, outcome, why, who, about, client, network: from };
        desk.turned_away.note(attempt, trace.0);
    }
    response
}

fn act(request: &Request) -> Option<&'static str> {
    if *request.method() != Method::POST {
        return None;
    }
    let path = request.extensions().get::<MatchedPath>()?.as_str();
    ACTS.into_iter().find(|(route, _)| *route == path).map(|(_, action)| action)
}

fn signed_in(desk: &Desk, request: &Request) -> Option<String> {
    let cookies = request.headers().get(header::COOKIE)?.to_str().ok()?;
    Some(desk.sessions.read(cookies)?.who)
}

/// The number or the id in an address; nothing else that somebody may have written there.
fn about(path: &str) -> Option<String> {
    let id = path.split('/').nth(2)?;
    (id.parse::<i64>().is_ok() || id.parse::<Uuid>().is_ok()).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, StatusCode};
    use axum::response::{IntoResponse as _, Redirect};

    use super::super::refused::Refused;
    use super::*;

    const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

    #[test]
    fn what_was_not_done_was_refused_or_failed_and_what_was_done_is_neither() {
        let of = |response: Response| NotDone::of(&response).map(|not_done| not_done.outcome);
        assert_eq!(of(Refused::role("console:operator").into_response()), Some("refused"));
        assert_eq!(of(Refused::down("No answer.").into_response()), Some("failed"));
        assert_eq!(of(StatusCode::PAYLOAD_TOO_LARGE.into_response()), Some("refused"));
        assert_eq!(of(StatusCode::INTERNAL_SERVER_ERROR.into_response()), Some("failed"), "it panicked");
        let turned = NotDone::refused("nobody is signed in").beside(Redirect::to("/sign-in").into_response());
        assert_eq!(of(turned), Some("refused"));
        assert_eq!(of(Redirect::to("/pauses").into_response()), None);
    }

    #[test]
    fn an_act_goes_on_in_its_requests_trace_and_what_has_another_form_is_not_written_down() {
        let headers = |header: &str| HeaderMap::from_iter([(TRACEPARENT, header.parse().unwrap())]);
        let of = |header: &str| TraceId::of(&headers(header)).0;
        let given = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(of(&format!("00-{given}-00f067aa0ba902b7-00")), given);
        let new = [of("Jane Doe"), of(given), TraceId::of(&HeaderMap::new()).0];
        assert!(new.iter().all(|id| id.len() == 32 && id != given), "{new:?}");
    }

    #[test]
    fn of_an_address_only_a_number_or_an_id_is_written_down() {
        assert_eq!(about("/dead-letters/17/reveal").as_deref(), Some("17"));
        let id = "0198f2a0-0000-7000-8000-000000000000";
        assert_eq!(about(&format!("/alerts/{id}/close")).as_deref(), Some(id));
        for path in ["/alerts/Jane%20Doe/close", "/pauses/set", "/redrives", "/"] {
            assert_eq!(about(path), None, "{path}");
        }
    }
}
