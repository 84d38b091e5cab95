//! A named seam at which a test build can be made to end, `EPRO_FAULT=redrive=abort` (the first time) or
//! `redrive=abort:N` (the Nth), or to stand still until a file is there, `EPRO_FAULT=redrive=until:FILE`.
//!
//! Only builds with debug assertions look at the variable.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

static TIMES: AtomicU32 = AtomicU32::new(0);

/// Fails here if the environment of a test build says so: published, not marked.
pub(crate) async fn at_redrive() {
    if !cfg!(debug_assertions) {
        return;
    }
    let fault = std::env::var("EPRO_FAULT").unwrap_or_default();
    match fault.strip_prefix("redrive=").map(|how| how.split_once(':').unwrap_or((how, ""))) {
        Some(("abort", nth)) if TIMES.fetch_add(1, Ordering::Relaxed) + 1 >= nth.parse().unwrap_or(1) => {
            std::process::abort();
        }
        Some(("until", file)) => {
            while !std::path::Path::new(file).exists() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        _ => {}
    }
}
