//! Tokens and the keys that verify them.

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use epro_process::config::{Algorithm, AuthConfig, Problem};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{DecodingKey, Validation};

use super::believed::{Believed, Fingerprint};
use super::caller::Caller;
use super::claims::Claims;
use crate::refusal::{Kind, Refusal};

/// The longest token that is looked at, in bytes.
const MAX_TOKEN: usize = 8 * 1024;

/// Verifies tokens.
pub(crate) struct Verifier {
    keys: HashMap<String, Key>,
    clients: Vec<Arc<str>>,
    other: Arc<str>,
    believed: Believed,
    /// Seconds by which clocks may differ.
    leeway: u64,
}

struct Key {
    key: DecodingKey,
    /// Names the one algorithm of this key. A token's header can only agree with it.
    validation: Validation,
}

impl Verifier {
    /// Reads the configured keys.
    pub(crate) fn new(config: &AuthConfig) -> Result<Self, Vec<Problem>> {
        let keys = config.read_keys()?.into_iter().map(|(configured, key)| {
            (configured.kid.clone(), Key { key, validation: validation(configured.algorithm, config) })
        });
        let clients = config.clients.iter().map(|name| Arc::from(name.as_str())).collect();
        let (believed, leeway) = (Believed::default(), config.leeway.as_secs());
        Ok(Self { keys: keys.collect(), clients, other: "other".into(), believed, leeway })
    }

    /// The caller whose token stands in the headers.
    pub(crate) fn caller(&self, headers: &HeaderMap) -> Result<Arc<Caller>, Refusal> {
        let token = bearer(headers)?;
        let fingerprint = Fingerprint::of(token);
        if let Some(caller) = self.believed.caller(fingerprint) {
            return Ok(caller);
        }
        let claims = self.verify(token)?;
        let until = claims.exp + self.leeway as f64;
        let caller = Arc::new(Caller::new(claims, &self.clients, &self.other)?);
        self.believed.add(fingerprint, caller.clone(), until);
        Ok(caller)
    }

    fn verify(&self, token: &str) -> Result<Claims, Refusal> {
        let head = jsonwebtoken::decode_header(token).map_err(|_| Kind::TokenMalformed)?;
        let kid = head.kid.as_deref().ok_or(Kind::TokenUnknownKey)?;
        let key = self.keys.get(kid).ok_or(Kind::TokenUnknownKey)?;
        let token = jsonwebtoken::decode::<Claims>(token, &key.key, &key.validation)
            .map_err(|error| Refusal::from(kind_of(error.kind())))?;
        Ok(token.claims)
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or(Kind::TokenMissing)?;
    if values.next().is_some() || value.len() > MAX_TOKEN {
        return Err(Kind::TokenMalformed.into());
    }
    let text = value.to_str().map_err(|_| Kind::TokenMalformed)?;
    let (scheme, token) = text.split_once(' ').ok_or(Kind::TokenMissing)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(Kind::TokenMissing.into()) }
}

fn validation(algorithm: Algorithm, config: &AuthConfig) -> Validation {
    let mut validation = Validation::new(match algorithm {
        Algorithm::Hs256 => jsonwebtoken::Algorithm::HS256,
        Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
    });
    validation.leeway = config.leeway.as_secs();
    validation.validate_nbf = true;
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.set_issuer(config.issuer.as_slice());
    validation.set_audience(config.audience.as_slice());
    validation
}

fn kind_of(error: &ErrorKind) -> Kind {
    match error {
        ErrorKind::ExpiredSignature => Kind::TokenExpired,
        ErrorKind::ImmatureSignature => Kind::TokenNotYetValid,
        ErrorKind::InvalidIssuer => Kind::TokenIssuer,
        ErrorKind::InvalidAudience => Kind::TokenAudience,
        ErrorKind::InvalidSignature => Kind::TokenSignature,
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => Kind::TokenAlgorithm,
        ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_) | ErrorKind::Json(_) => {
            Kind::TokenClaims
        }
        _ => Kind::TokenMalformed,
    }
}
