//! A named seam at which a test build can be made to end: `EPRO_FAULT=redrive=abort`.
//!
//! Only builds with debug assertions look at the variable.

/// Ends the process here if the environment of a test build says so: published, not marked.
pub(crate) fn at_redrive() {
    if cfg!(debug_assertions) && std::env::var("EPRO_FAULT").is_ok_and(|fault| fault == "redrive=abort") {
        std::process::abort();
    }
}
