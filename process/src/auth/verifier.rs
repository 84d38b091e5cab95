//! Tokens and the keys that verify them.

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::{Algorithm, AuthConfig, Problem};
use axum::http::{HeaderMap, header};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{DecodingKey, Validation};

use super::Unbelieved;
use super::believed::{Believed, Fingerprint};
use super::caller::Caller;
use super::claims::Claims;

/// The longest token that is looked at, in bytes.
const MAX_TOKEN: usize = 8 * 1024;

/// Verifies tokens.
pub struct Verifier {
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
    ///
    /// # Errors
    /// Every key that can't be read.
    pub fn new(config: &AuthConfig) -> Result<Self, Vec<Problem>> {
        let keys = config.read_keys()?.into_iter().map(|(configured, key)| {
            (configured.kid.clone(), Key { key, validation: validation(configured.algorithm, config) })
        });
        let clients = config.clients.iter().map(|name| Arc::from(name.as_str())).collect();
        let (believed, leeway) = (Believed::default(), config.leeway.as_secs());
        Ok(Self { keys: keys.collect(), clients, other: "other".into(), believed, leeway })
    }

    /// The caller whose token stands in the headers.
    ///
    /// # Errors
    /// Why it isn't believed.
    pub fn caller(&self, headers: &HeaderMap) -> Result<Arc<Caller>, Unbelieved> {
        self.bearer(bearer(headers)?)
    }

    /// The caller whose token this is.
    ///
    /// # Errors
    /// Why it isn't believed.
    pub fn bearer(&self, token: &str) -> Result<Arc<Caller>, Unbelieved> {
        if token.len() > MAX_TOKEN {
            return Err(Unbelieved::Malformed);
        }
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

    fn verify(&self, token: &str) -> Result<Claims, Unbelieved> {
        let head = jsonwebtoken::decode_header(token).map_err(|_| Unbelieved::Malformed)?;
        let kid = head.kid.as_deref().ok_or(Unbelieved::UnknownKey)?;
        let key = self.keys.get(kid).ok_or(Unbelieved::UnknownKey)?;
        let token = jsonwebtoken::decode::<Claims>(token, &key.key, &key.validation)
            .map_err(|error| why(error.kind()))?;
        Ok(token.claims)
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, Unbelieved> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or(Unbelieved::Missing)?;
    if values.next().is_some() || value.len() > MAX_TOKEN {
        return Err(Unbelieved::Malformed);
    }
    let text = value.to_str().map_err(|_| Unbelieved::Malformed)?;
    let (scheme, token) = text.split_once(' ').ok_or(Unbelieved::Missing)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(Unbelieved::Missing) }
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

fn why(error: &ErrorKind) -> Unbelieved {
    match error {
        ErrorKind::ExpiredSignature => Unbelieved::Expired,
        ErrorKind::ImmatureSignature => Unbelieved::NotYetValid,
        ErrorKind::InvalidIssuer => Unbelieved::Issuer,
        ErrorKind::InvalidAudience => Unbelieved::Audience,
        ErrorKind::InvalidSignature => Unbelieved::Signature,
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => Unbelieved::Algorithm,
        ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_) | ErrorKind::Json(_) => {
            Unbelieved::Claims
        }
        _ => Unbelieved::Malformed,
    }
}
