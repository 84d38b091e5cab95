//! What can't be tested where the tests run.

use std::io::Write as _;

/// Says to whoever runs the tests that something isn't tested here. What `println!` and `eprintln!` say in a test
/// that ends well, nobody ever sees.
pub fn skipped(what: &str) {
    // Without anybody to tell there is nothing else to do.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {what}");
}
