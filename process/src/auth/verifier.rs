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
use super::published::Published;
use crate::shutdown::Shutdown;

/// The longest token that is looked at, in bytes.
const MAX_TOKEN: usize = 8 * 1024;

/// Verifies tokens.
pub struct Verifier {
    keys: HashMap<String, Arc<Key>>,
    published: Option<Published>,
    clients: Vec<Arc<str>>,
    other: Arc<str>,
    believed: Believed,
    /// Seconds by which clocks may differ.
    leeway: u64,
}

pub(super) struct Key {
    pub(super) key: DecodingKey,
    /// Names the one algorithm of this key. A token's header can only agree with it.
    pub(super) validation: Validation,
}

impl Verifier {
    /// Reads the configured keys.
    ///
    /// # Errors
    /// Every key that can't be read.
    pub fn new(config: &AuthConfig) -> Result<Self, Vec<Problem>> {
        let keys = config.read_keys()?.into_iter().map(|(configured, key)| {
            let key = Key { key, validation: validation(configured.algorithm, config) };
            (configured.kid.clone(), Arc::new(key))
        });
        let clients = config.clients.iter().map(|name| Arc::from(name.as_str())).collect();
        let (believed, leeway) = (Believed::default(), config.leeway.as_secs());
        let published = config.jwks.as_ref().map(|jwks| Published::new(config, jwks)).transpose()?;
        Ok(Self { keys: keys.collect(), published, clients, other: "other".into(), believed, leeway })
    }

    /// Follows the keys that the issuer publishes, if it does, until asked to leave.
    pub async fn follow(&self, shutdown: Shutdown) {
        self.follow_telling(shutdown, || {}).await;
    }

    /// The same for whoever keeps more than tokens of those whom they believed: calls `withdrawn`, too, whenever a key
    /// isn't what it was.
    pub async fn follow_telling(&self, shutdown: Shutdown, withdrawn: impl Fn()) {
        if let Some(published) = &self.published {
            let forget = || {
                self.believed.forget();
                withdrawn();
            };
            published.follow(shutdown, forget).await;
        }
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
        self.believe(Fingerprint::of(token), || self.verify(token))
    }

    /// The caller who was believed before, or else is by what `verify` says. A key may be withdrawn while it is at
    /// work: then the token is believed this once, as it would have been a moment earlier, and is not remembered.
    fn believe(
        &self,
        token: Fingerprint,
        verify: impl FnOnce() -> Result<Claims, Unbelieved>,
    ) -> Result<Arc<Caller>, Unbelieved> {
        let since = match self.believed.caller(token) {
            Ok(caller) => return Ok(caller),
            Err(since) => since,
        };
        let claims = verify()?;
        let until = claims.exp + self.leeway as f64;
        let caller = Arc::new(Caller::new(claims, &self.clients, &self.other)?);
        self.believed.add(token, caller.clone(), until, since);
        Ok(caller)
    }

    fn verify(&self, token: &str) -> Result<Claims, Unbelieved> {
        let head = jsonwebtoken::decode_header(token).map_err(|_| Unbelieved::Malformed)?;
        let kid = head.kid.as_deref().ok_or(Unbelieved::UnknownKey)?;
        let key = match (self.keys.get(kid), &self.published) {
            (Some(key), _) => Arc::clone(key),
            (None, Some(published)) => published.key(kid)?,
            (None, None) => return Err(Unbelieved::UnknownKey),
        };
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

pub(super) fn validation(algorithm: Algorithm, config: &AuthConfig) -> Validation {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_whose_key_is_withdrawn_while_it_is_verified_is_believed_no_second_time() {
        let verifier = Verifier {
            keys: HashMap::new(),
            published: None,
            clients: Vec::new(),
            other: "other".into(),
            believed: Believed::default(),
            leeway: 0,
        };
        let claims = || Ok(serde_json::from_str::<Claims>(r#"{"sub": "P-1", "exp": 1e12}"#).unwrap());
        let withdrawn = || Err(Unbelieved::UnknownKey);
        let (early, late) = (Fingerprint::of("early"), Fingerprint::of("late"));
        let interrupted = || {
            verifier.believed.forget();
            claims()
        };
        assert!(verifier.believe(early, interrupted).is_ok());
        assert_eq!(verifier.believe(early, withdrawn).err(), Some(Unbelieved::UnknownKey));
        assert!(verifier.believe(late, claims).is_ok());
        assert!(verifier.believe(late, withdrawn).is_ok(), "it needn't be verified again");
    }
}
