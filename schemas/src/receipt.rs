//! The idea that carries the relay: nothing upstream is let go without a receipt from downstream.

/// Proof that what a delivery carried is safe elsewhere.
///
/// Implemented by `epro_broker::Confirmed` and `epro_store::Committed`, and nowhere else.
pub trait Receipt {}
