//! Whom a hospital's FHIR service lets in.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Form, Json};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::foreign::Calls;
use crate::sample::base64;

/// What a caller has to show; nothing by default.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Access {
    /// User and password of HTTP Basic.
    pub basic: Option<(String, String)>,
    /// A token, which this client gets.
    pub client: Option<Client>,
}

/// Who gets tokens.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: String,
    /// How many seconds a token is good for.
    pub token_life: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Gate(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    access: Access,
    tokens: Vec<(String, Instant)>,
}

#[derive(Deserialize)]
pub(super) struct Asked {
    grant_type: String,
}

impl Gate {
    pub(super) fn set(&self, access: Access) {
        *self.lock() = State { access, tokens: Vec::new() };
    }

    /// Whether a caller with these headers is let in.
    pub(super) fn lets_in(&self, headers: &HeaderMap) -> bool {
        let state = self.lock();
        let shown = shown(headers);
        match &state.access {
            Access { client: Some(_), .. } => {
                let now = Instant::now();
                state.tokens.iter().any(|(token, until)| shown == format!("Bearer {token}") && now < *until)
            }
            Access { basic: Some((user, password)), .. } => shown == basic(user, password),
            Access { .. } => true,
        }
    }

    /// The token endpoint (RFC 6749, sections 2.3.1, 4.4, 5.1 and 5.2).
    pub(super) fn token(&self, headers: &HeaderMap, form: &Form<Asked>, calls: &Calls) -> Response {
        let call = calls.came("token");
        let mut state = self.lock();
        let refuse = |status: StatusCode, error: &str| {
            call.did(&format!("refused {}", status.as_u16()));
            (status, Json(json!({"error": error, "error_description": "Marta Planted"}))).into_response()
        };
        let answer = match state.access.client.clone() {
            _ if form.grant_type != "client_credentials" => {
                refuse(StatusCode::BAD_REQUEST, "unsupported_grant_type")
            }
            Some(client) if shown(headers) == basic(&encoded(&client.id), &encoded(&client.secret)) => {
                let token = uuid::Uuid::new_v4().simple().to_string();
                state.tokens.push((token.clone(), Instant::now() + Duration::from_secs(client.token_life)));
                call.did("given");
                let life = client.token_life;
                Json(json!({"access_token": token, "token_type": "Bearer", "expires_in": life}))
                    .into_response()
            }
            _ => refuse(StatusCode::UNAUTHORIZED, "invalid_client"),
        };
        call.answered();
        answer
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 401, as a FHIR service says it.
pub(super) fn unauthorized() -> Response {
    let issue: Value = json!([{"severity": "error", "code": "login", "diagnostics": "Marta Planted"}]);
    let outcome = Json(json!({"resourceType": "OperationOutcome", "issue": issue}));
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], outcome).into_response()
}

fn shown(headers: &HeaderMap) -> String {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", base64(format!("{user}:{password}").as_bytes()))
}

/// As forms encode it.
fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
