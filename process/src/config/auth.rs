//! `auth`: whose tokens are believed.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::TlsConfig;
use super::hospitals::read_url_and_query;
use super::section::Section;

/// How a token may be signed. Pinned to each key here; a token's header never chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256; the file holds the shared secret.
    Hs256,
    /// RSA PKCS#1 v1.5 with SHA-256; the file holds the public key as PEM.
    Rs256,
    /// ECDSA on P-256 with SHA-256; the file holds the public key as PEM.
    Es256,
    /// Ed25519; the file holds the public key as PEM.
    EdDsa,
}

impl Algorithm {
    const CHOICES: [(&'static str, Self); 4] =
        [("HS256", Self::Hs256), ("RS256", Self::Rs256), ("ES256", Self::Es256), ("EdDSA", Self::EdDsa)];

    /// The name of RFC 7518.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// A key that tokens are verified with.
#[derive(Debug, Clone)]
pub struct AuthKeyConfig {
    /// The `kid` that a token names it by.
    pub kid: String,
    /// The one algorithm that it verifies.
    pub algorithm: Algorithm,
    /// Where it is.
    pub file: PathBuf,
}

/// Where an issuer publishes its keys.
#[derive(Debug, Clone)]
pub struct JwksConfig {
    /// The URL; some issuers say in a query which application's keys they are.
    pub url: Url,
    /// Whom we believe there, and who we are.
    pub tls: TlsConfig,
    /// How often they are fetched anew.
    pub refresh: Duration,
}

impl JwksConfig {
    fn read(mut section: Section<'_>, insecure: bool) -> Option<Self> {
        let url = match section.has("url") {
            true => read_url_and_query(&mut section, "url", ("https", "http"), insecure),
            false => section.text("url").and(None),
        };
        let tls = TlsConfig::read(section.section("tls"));
        let refresh = section.duration("refresh", Duration::from_secs(300), Duration::from_secs(1));
        section.finish();
        Some(Self { url: url?, tls, refresh })
    }
}

/// Whose tokens are believed.
#[derive(Debug, Clone)]
pub struct AuthConfig {
    /// What `iss` has to be.
    pub issuer: Option<String>,
    /// What `aud` has to be or hold.
    pub audience: Option<String>,
    /// How far clocks may differ when `exp` and `nbf` are compared.
    pub leeway: Duration,
    /// The keys, by `kid`.
    pub keys: Vec<AuthKeyConfig>,
    /// Where the issuer publishes further keys.
    pub jwks: Option<JwksConfig>,
    /// Names of clients (`client` or `azp` of a token) that may stand in logs, metrics and audit;
    /// any other is written as `other`.
    pub clients: Vec<String>,
}

impl AuthConfig {
    pub(super) fn read(mut section: Section<'_>, insecure: bool) -> Self {
        let issuer = section.text("issuer");
        let audience = section.text("audience");
        let leeway = section.duration("leeway", Duration::from_secs(30), Duration::ZERO);
        if leeway > Duration::from_secs(300) {
            section.problem("leeway", "has to be at most 5m");
        }
        let keys = section.each("keys", read_key);
        for (index, key) in keys.iter().enumerate() {
            let Some(key) = key else { continue };
            if keys[..index].iter().flatten().any(|earlier| earlier.kid == key.kid) {
                section.problem(&format!("keys[{index}].kid"), "names the same key twice");
            }
        }
        let keys: Vec<AuthKeyConfig> = keys.into_iter().flatten().collect();
        if !keys.is_empty() {
            for (name, value) in [("issuer", &issuer), ("audience", &audience)] {
                if value.is_none() {
                    section.problem(name, "is required beside keys");
                }
            }
        }
        let jwks = JwksConfig::read(section.section("jwks"), insecure);
        if jwks.is_some() && keys.is_empty() {
            for (name, value) in [("issuer", &issuer), ("audience", &audience)] {
                if value.is_none() {
                    section.problem(name, "is required beside jwks");
                }
            }
        }
        let clients = section.texts("clients");
        section.finish();
        Self { issuer, audience, leeway, keys, jwks, clients }
    }
}

fn read_key(section: &mut Section<'_>) -> Option<AuthKeyConfig> {
    let kid = section.text("kid");
    let word = section.text("algorithm");
    let file = section.path("file");
    let algorithm = match word.as_deref() {
        None => None,
        Some(word) => {
            let found = Algorithm::CHOICES.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
            if found.is_none() {
                section.problem("algorithm", "has to be one of HS256, RS256, ES256, EdDSA");
            }
            found
        }
    };
    for (name, missing) in [("kid", kid.is_none()), ("algorithm", word.is_none()), ("file", file.is_none())] {
        if missing {
            section.problem(name, "is required");
        }
    }
    Some(AuthKeyConfig { kid: kid?, algorithm: algorithm?, file: file? })
}
