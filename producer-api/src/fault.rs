//! Named seams at which a test build can be made to fail: `EPRO_FAULT=submit:<submission id>=panic` and
//! `EPRO_FAULT=confirmed:<submission id>=abort`.
//!
//! Only builds with debug assertions look at the variable; in a release build these functions are empty.

use uuid::Uuid;

/// Panics here if the environment of a test build says so: the submission is read, nothing was published.
#[cfg(debug_assertions)]
#[expect(clippy::panic, reason = "a planted panic is what the test asked for")]
pub(crate) fn at_submit(submission: Uuid) {
    if is_planted(&format!("submit:{submission}=panic")) {
        panic!("{}", std::env::var("EPRO_FAULT_WORDS").unwrap_or_default());
    }
}

/// Ends the process here if the environment of a test build says so: the broker has it, nobody was told.
#[cfg(debug_assertions)]
pub(crate) fn at_confirmed(submission: Uuid) {
    if is_planted(&format!("confirmed:{submission}=abort")) {
        std::process::abort();
    }
}

#[cfg(debug_assertions)]
fn is_planted(fault: &str) -> bool {
    std::env::var("EPRO_FAULT").is_ok_and(|planted| planted == fault)
}

/// Panics here if the environment of a test build says so.
#[cfg(not(debug_assertions))]
pub(crate) fn at_submit(_submission: Uuid) {}

/// Ends the process here if the environment of a test build says so.
#[cfg(not(debug_assertions))]
pub(crate) fn at_confirmed(_submission: Uuid) {}
