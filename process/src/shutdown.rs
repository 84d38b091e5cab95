//! Leaving: SIGTERM or SIGINT asks, a second one insists.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Whether the process has been asked to leave. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shutdown {
    asked: watch::Receiver<bool>,
}

/// Asks for the shutdown; for tests and for a lane that can't go on.
#[derive(Debug, Clone)]
pub struct Trigger {
    ask: watch::Sender<bool>,
}

impl Shutdown {
    /// One that SIGTERM or SIGINT asks for. A second signal exits at once with 130.
    ///
    /// # Errors
    /// When the signals can't be listened to.
    pub fn on_signals() -> io::Result<Self> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (shutdown, trigger) = Self::manual();
        crate::task::spawn("signals", async move {
            let mut next = async || {
                tokio::select! {
                    _ = terminate.recv() => "SIGTERM",
                    _ = interrupt.recv() => "SIGINT",
                }
            };
            let name = next().await;
            tracing::info!(signal = name, "asked to leave: draining");
            trigger.ask();
            next().await;
            tracing::warn!("asked twice: leaving at once");
            std::process::exit(130);
        });
        Ok(shutdown)
    }

    /// One that only its trigger asks for.
    pub fn manual() -> (Self, Trigger) {
        let (ask, asked) = watch::channel(false);
        (Self { asked }, Trigger { ask })
    }

    /// Whether it has been asked for.
    pub fn is_requested(&self) -> bool {
        *self.asked.borrow()
    }

    /// Waits until it is asked for; for ever when its trigger is gone. Cancel-safe.
    pub async fn requested(&self) {
        let mut asked = self.asked.clone();
        if asked.wait_for(|asked| *asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Trigger {
    /// Asks for the shutdown; more than once is the same as once.
    pub fn ask(&self) {
        self.ask.send_replace(true);
    }
}
