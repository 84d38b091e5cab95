//! Who asks: a bearer token, verified with the key that its `kid` names in the configuration.

mod believed;
mod caller;
mod claims;
mod verifier;

pub(crate) use caller::Caller;
pub(crate) use verifier::Verifier;
