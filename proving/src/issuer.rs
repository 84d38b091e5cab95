//! An issuer of tokens that publishes its keys (JWKS, RFC 7517), or is away.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;

use crate::foreign::{Door, Mannered, http_door};
use crate::sample::{AUDIENCE, ISSUER, base64};
use crate::token::Minter;

/// A running issuer; ends with this value.
#[derive(Debug)]
pub struct Issuer {
    url: String,
    keys: Arc<Mutex<Option<Value>>>,
    _door: Door,
}

impl Issuer {
    /// One that is away: it answers 503.
    pub async fn start() -> Result<Self> {
        Self::open(None).await
    }

    /// The same over TLS, at 127.0.0.1.
    pub async fn secured(tls: TlsAcceptor) -> Result<Self> {
        Self::open(Some(tls)).await
    }

    async fn open(tls: Option<TlsAcceptor>) -> Result<Self> {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let keys: Arc<Mutex<Option<Value>>> = Arc::default();
        let shown = Arc::clone(&keys);
        let answer = move || {
            let keys = shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
            async move {
                keys.map(|keys| json!({"keys": keys}).to_string()).ok_or(StatusCode::SERVICE_UNAVAILABLE)
            }
        };
        let router = Router::new().route("/jwks.json", get(answer));
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let door = http_door::open(free, tls, &Mannered::default(), router).await?;
        Ok(Self { url: format!("{scheme}://{}/jwks.json", door.address()), keys, _door: door })
    }

    /// What `auth.jwks.url` has to be.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Publishes this list of keys from now on; `None`: it is away.
    pub fn show(&self, keys: Option<Value>) {
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// A new Ed25519 key of that name: as it is published, and what signs with it.
    pub fn key(kid: &str) -> Result<(Value, Minter)> {
        let pair = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new())?;
        let public = Ed25519KeyPair::from_pkcs8(pair.as_ref())?.public_key().as_ref().to_vec();
        let x = base64(&public).trim_end_matches('=').replace('+', "-").replace('/', "_");
        let key = json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "use": "sig", "alg": "EdDSA", "x": x});
        let signs = EncodingKey::from_ed_der(pair.as_ref());
        Ok((key, Minter::with(ISSUER, AUDIENCE, kid, Algorithm::EdDSA, signs)))
    }
}
