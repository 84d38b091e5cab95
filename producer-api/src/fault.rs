//! A named seam at which a test build can be made to panic: `EPRO_FAULT=submit:<submission id>=panic`.
//!
//! Only builds with debug assertions look at the variable; in a release build [`at_submit`] is empty.

use uuid::Uuid;

/// Panics here if the environment of a test build says so: the submission is read, nothing was published.
#[cfg(debug_assertions)]
#[expect(clippy::panic, reason = "a planted panic is what the test asked for")]
pub(crate) fn at_submit(submission: Uuid) {
    let planted = format!("submit:{submission}=panic");
    if std::env::var("EPRO_FAULT").is_ok_and(|fault| fault == planted) {
        panic!("{}", std::env::var("EPRO_FAULT_WORDS").unwrap_or_default());
    }
}

/// Panics here if the environment of a test build says so.
#[cfg(not(debug_assertions))]
pub(crate) fn at_submit(_submission: Uuid) {}
