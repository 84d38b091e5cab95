//! What entitles a process to let go of something.

/// Proof that what a delivery carried is safe elsewhere.
///
/// Implemented by `epro_broker::Confirmed` and `epro_store::Committed`, and
/// nowhere else: their constructors are private to the code that saw the
/// broker's confirm or the database's COMMIT.
pub trait Receipt {}
