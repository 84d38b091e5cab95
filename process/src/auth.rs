//! Who asks: a token, verified with the key that its `kid` names in the configuration.

mod believed;
mod caller;
mod claims;
mod unbelieved;
mod verifier;

pub use caller::Caller;
pub use unbelieved::Unbelieved;
pub use verifier::Verifier;
