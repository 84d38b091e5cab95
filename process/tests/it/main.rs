//! What a panic leaves behind, in a process with the hook installed; and what is told of metrics.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod hostile;
mod metrics;
mod monitoring;
mod server;
mod wiped;

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Page {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[test]
fn a_panic_is_logged_by_its_place_and_never_by_its_words() {
    let page = Page::default();
    let log = tracing_subscriber::fmt().with_writer(page.clone()).with_ansi(false).finish();
    epro_process::panic::install_hook();
    let panics = move || {
        tracing::subscriber::with_default(log, || panic!("Marta Planted"));
    };
    let ended = std::thread::scope(|scope| scope.spawn(panics).join());
    assert!(ended.is_err());
    let told = String::from_utf8_lossy(&page.0.lock().unwrap()).into_owned();
    assert!(told.contains("ERROR") && told.contains("main.rs:"), "{told}");
    assert!(!told.contains("Planted"), "{told}");
}
