//! Why a token isn't believed.

/// Why a token isn't believed; never what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unbelieved {
    /// There is none.
    #[error("a bearer token is required")]
    Missing,
    /// It isn't one, or is longer than any of ours.
    #[error("the token can't be read")]
    Malformed,
    /// Its `kid` is none of the configured ones.
    #[error("the token names no key that is known here")]
    UnknownKey,
    /// Its header names another algorithm than its key has.
    #[error("the token's algorithm is not that of its key")]
    Algorithm,
    /// Its key didn't sign it.
    #[error("the token's signature is wrong")]
    Signature,
    /// Its `exp` is over.
    #[error("the token has expired")]
    Expired,
    /// Its `nbf` is to come.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// Its `iss` is another.
    #[error("the token is from another issuer")]
    Issuer,
    /// Its `aud` is another.
    #[error("the token is for another audience")]
    Audience,
    /// A claim is missing, or has the wrong form.
    #[error("a claim of the token is missing or has the wrong form")]
    Claims,
}
