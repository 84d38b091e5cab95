//! Signing in with a token, and out.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Extension;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse as _, Redirect, Response};
use serde_json::Value;

use epro_store::audit::{AuditEvent, AuditFacts, network};

use super::act::Form;
use super::attempts::{NotDone, TraceId};
use super::desk::{Desk, actor, done};
use super::frame::{Frame, page_as};
use super::session::Session;
use super::turned_away::Attempt;

/// How long a sign-in waits for its place in the audit trail.
const NOTED: Duration = Duration::from_millis(1500);

#[derive(Template)]
#[template(path = "sign_in.html")]
struct Page {
    frame: Frame,
    to: String,
    error: Option<String>,
}

pub(crate) async fn page(Query(query): Query<HashMap<String, String>>) -> Response {
    let to = local(query.get("to").map_or("/", String::as_str)).to_owned();
    super::frame::page(&Page { frame: Frame::bare("Sign in"), to, error: None })
}

/// A token that is believed and may at least look becomes a cookie.
pub(crate) async fn enter(
    State(desk): State<Arc<Desk>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Extension(trace): Extension<TraceId>,
    axum::Form(form): axum::Form<HashMap<String, String>>,
) -> Response {
    let to = local(form.get("to").map_or("/", String::as_str));
    let token = form.get("token").map_or("", |token| token.trim());
    let generation = desk.sessions.generation();
    let caller = desk.verifier.bearer(token);
    let client = caller.as_ref().ok().and_then(|caller| caller.client.clone());
    let error = match caller {
        Ok(caller) if caller.may_view => match desk.sessions.cookie(&Session::of(&caller, generation)) {
            Ok(cookie) => {
                let (from_network, trace_id) = (Some(network(from.ip())), Some(trace.0));
                let who = caller.sub.expose();
                let by = AuditFacts { from_network, trace_id, ..AuditFacts::by(actor(who)) };
                note(&desk, "console.signed_in", who, by).await;
                let cookie = AppendHeaders([(header::SET_COOKIE, cookie)]);
                return (cookie, Redirect::to(to)).into_response();
            }
            Err(error) => format!("{error:#}"),
        },
        Ok(_) => "the token has none of the scopes console:viewer, console:operator, console:steward".into(),
        Err(why) => why.to_string(),
    };
    tracing::warn!(why = error, "somebody was not let into the console");
    let not_done = NotDone { client, ..NotDone::refused(&error) };
    let frame = Frame::bare("Sign in");
    not_done.beside(page_as(StatusCode::UNAUTHORIZED, &Page { frame, to: to.to_owned(), error: Some(error) }))
}

pub(crate) async fn leave(State(desk): State<Arc<Desk>>, form: Form) -> Response {
    note(&desk, "console.signed_out", &form.visitor.session.who, form.by()).await;
    let cookie = AppendHeaders([(header::SET_COOKIE, desk.sessions.end(&form.visitor.session))]);
    (cookie, Redirect::to("/sign-in")).into_response()
}

/// Into the audit trail, at once if PostgreSQL takes it: to look while it is down, one has to get in. What it doesn't
/// say in time may be there twice, rather than not at all.
async fn note(desk: &Desk, action: &'static str, who: &str, by: AuditFacts) {
    let (network, trace_id) = (by.from_network.clone(), by.trace_id.clone());
    let event = AuditEvent::about(action, "ok", by, Value::Null);
    let noted = async {
        let mut chain = desk.chain().await?;
        done(desk.store().record(&mut chain, &[event])).await
    };
    let down = desk.picture().tables.down.is_some();
    if down || !matches!(tokio::time::timeout(NOTED, noted).await, Ok(Ok(_))) {
        tracing::warn!(action, who, "not in the audit trail yet: PostgreSQL doesn't take it");
        let attempt = Attempt::late(action, who.to_owned(), network);
        desk.turned_away.note(attempt, trace_id.unwrap_or_default());
    }
}

/// A page of ours; anything else is the overview.
fn local(to: &str) -> &str {
    let ours = to.starts_with('/') && !to.starts_with("//") && !to.contains(['\\', '\r', '\n']);
    if ours { to } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::local;

    #[test]
    fn nobody_is_led_away_after_the_sign_in() {
        assert_eq!(local("/dead-letters?class=conflict"), "/dead-letters?class=conflict");
        for away in ["//evil.example", "https://evil.example", "/\\evil.example", "/\r\nx: y", ""] {
            assert_eq!(local(away), "/");
        }
    }
}
