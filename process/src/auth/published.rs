//! Keys that an issuer publishes under a URL (JWKS, RFC 7517): fetched in the background, kept while the issuer is
//! away, fetched anew when a token names one that isn't there yet.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use serde_json::Value;
use tokio::sync::Notify;

use super::Unbelieved;
use super::verifier::{Key, validation};
use crate::config::{Algorithm, AuthConfig, JwksConfig, Problem};
use crate::shutdown::Shutdown;
use crate::tls;

/// How long one fetch may take.
const ANSWER: Duration = Duration::from_secs(5);
/// The largest set that is read.
const MAX_SET: usize = 256 * 1024;
/// The shortest time between two fetches: tokens with invented key names must not make us hammer the issuer.
const PAUSE: Duration = Duration::from_secs(10);

/// Keys by their id.
type KeySet = HashMap<String, Held>;

/// A key with the text that it was made of.
type Held = (Vec<u8>, Arc<Key>);

/// The keys as they were last fetched.
pub(super) struct Published {
    config: JwksConfig,
    auth: AuthConfig,
    client: reqwest::Client,
    fetched: RwLock<Fetched>,
    wanted: Notify,
}

#[derive(Default)]
struct Fetched {
    keys: KeySet,
    /// When it was last tried, and whether that gave keys.
    tried: Option<(Instant, bool)>,
}

impl Published {
    pub(super) fn new(auth: &AuthConfig, config: &JwksConfig) -> Result<Self, Vec<Problem>> {
        let tls = tls::client_config(&config.tls, "auth.jwks.tls")?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(ANSWER)
            .build()
            .map_err(|_| vec![Problem::new("auth.jwks", "no HTTP client can be made with it")])?;
        let (config, auth) = (config.clone(), auth.clone());
        Ok(Self { config, auth, client, fetched: RwLock::default(), wanted: Notify::new() })
    }

    /// The key of this name. Where it may be one that the issuer has only just published, it is looked for, and the
    /// token is not called wrong before that.
    pub(super) fn key(&self, kid: &str) -> Result<Arc<Key>, Unbelieved> {
        let fetched = self.fetched.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, key)) = fetched.keys.get(kid) {
            return Ok(Arc::clone(key));
        }
        match fetched.tried {
            Some((at, true)) if at.elapsed() < PAUSE => Err(Unbelieved::UnknownKey),
            _ => {
                self.wanted.notify_one();
                Err(Unbelieved::KeyAwaited)
            }
        }
    }

    /// Fetches now, then as often as configured, and when a key is wanted. Calls `withdrawn` whenever a key isn't what
    /// it was.
    pub(super) async fn follow(&self, shutdown: Shutdown, withdrawn: impl Fn()) {
        let mut failing = false;
        loop {
            let keys = tokio::select! {
                keys = self.fetch() => keys,
                () = shutdown.requested() => return,
            };
            match (&keys, failing) {
                (Err(why), false) => {
                    tracing::warn!(why, "the issuer's keys can't be fetched; those that were are kept")
                }
                (Ok(_), true) => tracing::info!("the issuer's keys are fetched again"),
                _ => {}
            }
            failing = keys.is_err();
            if self.keep(keys.ok()) {
                withdrawn();
            }
            let due = async {
                tokio::time::sleep(PAUSE.min(self.config.refresh)).await;
                if !failing {
                    let rest = self.config.refresh.saturating_sub(PAUSE);
                    let _ = tokio::time::timeout(rest, self.wanted.notified()).await;
                }
            };
            tokio::select! {
                () = due => {}
                () = shutdown.requested() => return,
            }
        }
    }

    /// Whether a key that was there is gone, or another one. An issuer that is away withdraws nothing.
    fn keep(&self, keys: Option<KeySet>) -> bool {
        let mut fetched = self.fetched.write().unwrap_or_else(PoisonError::into_inner);
        fetched.tried = Some((Instant::now(), keys.is_some()));
        let Some(keys) = keys else { return false };
        let same = |(kid, (bytes, _)): (&String, &(Vec<u8>, Arc<Key>))| {
            keys.get(kid).is_some_and(|(now, _)| now == bytes)
        };
        let withdrawn = !fetched.keys.iter().all(same);
        fetched.keys = keys;
        withdrawn
    }

    /// The error says what happened, in no word of the other side.
    async fn fetch(&self) -> Result<KeySet, &'static str> {
        let mut answer = self.client.get(self.config.url.clone()).send().await.map_err(|_| "no answer")?;
        if !answer.status().is_success() {
            return Err("another status than 200");
        }
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(|_| "the answer broke off")? {
            body.extend_from_slice(&piece);
            if body.len() > MAX_SET {
                return Err("the answer is too large");
            }
        }
        key_set(&body, &self.auth)
    }
}

/// How many keys of use there are in a set as an issuer publishes it.
///
/// # Errors
/// What is wrong with it, in no word of its own.
pub fn keys_of_use(set: &[u8], auth: &AuthConfig) -> Result<usize, &'static str> {
    key_set(set, auth).map(|keys| keys.len())
}

fn key_set(body: &[u8], auth: &AuthConfig) -> Result<KeySet, &'static str> {
    let set: Value = serde_json::from_slice(body).map_err(|_| "the answer is not JSON")?;
    let found = set["keys"].as_array().ok_or("the answer holds no keys")?;
    let keys: KeySet = found.iter().filter_map(|key| held(key, auth)).collect();
    // An empty set would lock everybody out: rather a mistake than a withdrawal.
    if keys.is_empty() { Err("the answer holds no key of use") } else { Ok(keys) }
}

/// A key that tokens may be verified with. Which algorithm it is for its type says, never a token; a shared secret in
/// a public place is none.
fn held(key: &Value, auth: &AuthConfig) -> Option<(String, Held)> {
    let bytes = key.to_string().into_bytes();
    let jwk: Jwk = serde_json::from_value(key.clone()).ok()?;
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::Rs256,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::Es256,
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDsa,
        _ => return None,
    };
    let says = jwk.common.key_algorithm.as_ref().map(ToString::to_string);
    let signs = jwk.common.public_key_use.as_ref().is_none_or(|of| *of == PublicKeyUse::Signature);
    if !signs || says.is_some_and(|says| says != algorithm.as_str()) {
        return None;
    }
    let decoding = DecodingKey::from_jwk(&jwk).ok()?;
    let key = Key { key: decoding, validation: validation(algorithm, auth) };
    Some((jwk.common.key_id?, (bytes, Arc::new(key))))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use axum::Router;
    use axum::routing::get;
    use epro_proving::certificates::Authority;
    use epro_proving::foreign::{Mannered, http_door};
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::config::TlsConfig;

    /// The public key of RFC 8037, appendix A.2.
    const SET: &str = r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "one",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

    /// How many keys are fetched from an issuer that shows such a certificate.
    async fn fetched(tls: TlsAcceptor, ca_file: &Path) -> Result<usize, &'static str> {
        tls::install();
        let router = Router::new().route("/keys", get(|| async { SET }));
        let free = ([127, 0, 0, 1], 0).into();
        let door = http_door::open(free, Some(tls), &Mannered::default(), router).await.unwrap();
        let url = format!("https://localhost:{}/keys", door.address().port()).parse().unwrap();
        let believed = TlsConfig { ca_file: Some(ca_file.to_owned()), ..TlsConfig::default() };
        let jwks = JwksConfig { url, tls: believed, refresh: Duration::from_secs(300) };
        let auth = AuthConfig {
            issuer: Some("https://id.example".to_owned()),
            audience: Some("epro".to_owned()),
            leeway: Duration::ZERO,
            keys: Vec::new(),
            jwks: None,
            clients: Vec::new(),
        };
        Published::new(&auth, &jwks).unwrap().fetch().await.map(|keys| keys.len())
    }

    #[tokio::test]
    async fn an_issuer_with_a_wrong_name_an_expired_or_an_unknown_certificate_is_refused() {
        let folder = std::env::temp_dir().join(format!("epro-issuer-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir_all(&folder).unwrap();
        let ours = Authority::new().unwrap();
        let ca_file = ours.write(&folder).unwrap();
        assert_eq!(fetched(ours.server("localhost", None).unwrap(), &ca_file).await, Ok(1));
        for (what, tls) in ours.bad_servers("localhost").unwrap() {
            assert_eq!(fetched(tls, &ca_file).await, Err("no answer"), "{what}");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
