//! Tokens, minted by the test's own hand.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// Mints tokens with one key.
#[derive(Clone)]
pub struct Minter {
    issuer: String,
    audience: String,
    kid: String,
    algorithm: Algorithm,
    key: EncodingKey,
}

impl std::fmt::Debug for Minter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Minter").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl Minter {
    /// An HS256 minter; `secret` are the raw bytes of the shared key.
    pub fn hs256(issuer: &str, audience: &str, kid: &str, secret: &[u8]) -> Self {
        Self::with(issuer, audience, kid, Algorithm::HS256, EncodingKey::from_secret(secret))
    }

    /// A minter of any algorithm.
    pub fn with(issuer: &str, audience: &str, kid: &str, algorithm: Algorithm, key: EncodingKey) -> Self {
        Self { issuer: issuer.to_owned(), audience: audience.to_owned(), kid: kid.to_owned(), algorithm, key }
    }

    /// A patient's token: scope `submit`, one study, one site, valid for an hour.
    pub fn patient(&self, subject: &str, study: &str, site: &str) -> Result<String> {
        self.token(&json!({"sub": subject, "scope": "submit", "study": study, "site": site}))
    }

    /// An app backend's token: scope `submit:any`.
    pub fn backend(&self, client: &str, studies: &[&str], sites: &[&str]) -> Result<String> {
        self.token(&json!({"sub": client, "scope": "submit:any", "study": studies, "site": sites}))
    }

    /// A site's staff: scope `read:site`.
    pub fn reader(&self, who: &str, studies: &[&str], sites: &[&str]) -> Result<String> {
        self.token(&json!({"sub": who, "scope": "read:site", "study": studies, "site": sites}))
    }

    /// An investigator's: scope `acknowledge`.
    pub fn investigator(&self, who: &str, studies: &[&str], sites: &[&str]) -> Result<String> {
        self.token(&json!({"sub": who, "scope": "acknowledge", "study": studies, "site": sites}))
    }

    /// A site's staff who may ask hospitals: scope `report`.
    pub fn reporter(&self, who: &str, studies: &[&str], sites: &[&str]) -> Result<String> {
        self.token(&json!({"sub": who, "scope": "report", "study": studies, "site": sites}))
    }

    /// An operator's, for the console: `viewer`, `operator`, `steward`.
    pub fn operator(&self, who: &str, roles: &[&str]) -> Result<String> {
        let scopes: Vec<String> = roles.iter().map(|role| format!("console:{role}")).collect();
        self.token(&json!({"sub": who, "scope": scopes.join(" ")}))
    }

    /// The same words under a key that nobody knows.
    pub fn forger(&self) -> Self {
        Self {
            algorithm: Algorithm::HS256,
            key: EncodingKey::from_secret(b"not the key of this relay"),
            ..self.clone()
        }
    }

    /// Any claims; `iss`, `aud`, `nbf` and `exp` (one hour) are added where absent.
    pub fn token(&self, claims: &Value) -> Result<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let mut all = json!({
            "iss": self.issuer, "aud": self.audience, "nbf": now - 60, "exp": now + 3600,
        });
        if let (Some(all), Some(claims)) = (all.as_object_mut(), claims.as_object()) {
            all.extend(claims.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(self.algorithm) };
        Ok(jsonwebtoken::encode(&header, &all, &self.key)?)
    }
}
