//! Background tasks of a process: the one named exception to "no bare spawn".

use std::future::Future;

use tokio::task::JoinHandle;

/// Starts a task that the process can't live without. If it panics, the process logs that and
/// exits with 70 (`EX_SOFTWARE`): work must not silently stop.
#[allow(clippy::disallowed_methods, reason = "the named exception: a panic in here ends the process")]
pub fn spawn<T: Send + 'static>(
    name: &'static str,
    future: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    tokio::spawn(async move {
        let _guard = ExitOnPanic(name);
        future.await
    })
}

struct ExitOnPanic(&'static str);

impl Drop for ExitOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(task = self.0, "a task that the process needs has panicked; exiting");
            std::process::exit(70);
        }
    }
}
