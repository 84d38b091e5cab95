//! Who asks: a token, verified with the key that its `kid` names in the configuration.

mod believed;
mod caller;
mod claims;
mod published;
mod unbelieved;
mod verifier;

pub use caller::Caller;
pub use published::keys_of_use;
pub use unbelieved::Unbelieved;
pub use verifier::Verifier;
