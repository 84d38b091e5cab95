//! Tokens by OAuth 2 client credentials (RFC 6749, section 4.4).

use std::time::{Duration, Instant};

use epro_process::config::{FhirAuth, Problem, Secret};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Client, Response, StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::credentials;
use super::issued::{self, Issued};
use super::no_answer;
use crate::hospitals::answer::CallError;
use crate::http;

/// The answer of a token endpoint is far smaller.
const MOST: usize = 64 * 1024;
/// A token is not used in its last seconds, nor in the last tenth of a short life.
const SPARE: Duration = Duration::from_secs(30);
/// What a token is good for if its issuer doesn't say.
const UNSAID: Duration = Duration::from_secs(300);
/// Nobody keeps a token for longer, whatever its issuer says.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Where tokens come from.
pub(super) struct Issuer {
    client: Client,
    url: Url,
    client_id: String,
    client_secret: Secret,
    scope: Option<String>,
}

/// A token while it is good.
pub(super) struct Token {
    text: SecretString,
    until: Instant,
}

impl Token {
    pub(super) fn text(&self) -> &str {
        self.text.expose_secret()
    }

    pub(super) fn is_good(&self) -> bool {
        Instant::now() < self.until
    }
}

impl Issuer {
    pub(super) fn new(auth: &FhirAuth, path: &str) -> Result<Self, Vec<Problem>> {
        let FhirAuth::OAuth2 { token_url, client_id, client_secret, scope, tls } = auth else {
            return Err(vec![Problem::new(format!("{path}.auth"), "has no tokens")]);
        };
        let mut problems = Vec::new();
        if let Err(rule) = client_secret.read() {
            problems.push(Problem::new(format!("{path}.auth.client_secret_file"), rule));
        }
        match http::client(tls, &format!("{path}.auth.tls")) {
            Ok(client) if problems.is_empty() => Ok(Self {
                client,
                url: token_url.clone(),
                client_id: client_id.clone(),
                client_secret: client_secret.clone(),
                scope: scope.clone(),
            }),
            Ok(_) => Err(problems),
            Err(more) => Err(problems.into_iter().chain(more).collect()),
        }
    }

    /// A new token. No failure here is ever the message's fault.
    pub(super) async fn fetch(&self) -> Result<Token, CallError> {
        let secret = credentials::read(&self.client_secret)?;
        // Section 2.3.1: both are form-encoded before they become user and password.
        let encoded = form_of_secret(&secret);
        let mut body = "grant_type=client_credentials".to_owned();
        if let Some(scope) = &self.scope {
            body.push_str("&scope=");
            body.push_str(&form(scope));
        }
        let request = self.client.post(self.url.clone()).body(body);
        let request = request
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .header(AUTHORIZATION, credentials::basic(&form(&self.client_id), &encoded)?);
        let asked = Instant::now();
        let response = request.send().await.map_err(|error| no_answer(&error, "token endpoint: "))?;
        read(response, asked).await
    }
}

async fn read(response: Response, asked: Instant) -> Result<Token, CallError> {
    let status = response.status();
    let line = format!("token endpoint: {}", http::status_line(status));
    let retry_after = http::retry_after::read(response.headers(), OffsetDateTime::now_utc());
    let body = http::body::read(response, MOST).await;
    match status {
        StatusCode::OK => {}
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
            return Err(CallError::Busy { retry_after, note: line });
        }
        status if status.is_server_error() => return Err(CallError::Busy { retry_after, note: line }),
        _ => {
            let code = body.map_or("?", |body| issued::refusal(&body));
            return Err(CallError::Denied { note: format!("{line}: {code}") });
        }
    }
    let body = body.map_err(|_| CallError::Silent { note: format!("{line}, but the answer broke off") })?;
    let body = Zeroizing::new(body);
    let issued =
        Issued::read(&body).map_err(|what| CallError::Denied { note: format!("{line}, but {what}") })?;
    let life = issued.expires_in.map_or(UNSAID, Duration::from_secs).min(LONGEST);
    let until = asked + life.saturating_sub(SPARE.min(life / 10));
    Ok(Token { text: issued.access_token, until })
}

/// At its longest from the start, so that it is never copied in order to grow.
fn form_of_secret(secret: &SecretString) -> SecretString {
    let secret = secret.expose_secret();
    let mut encoded = Zeroizing::new(String::with_capacity(3 * secret.len()));
    encoded.extend(url::form_urlencoded::byte_serialize(secret.as_bytes()));
    encoded.as_str().into()
}

fn form(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
