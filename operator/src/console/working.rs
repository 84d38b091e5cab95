//! Working at the redrives that were asked for here, a few at a time.

use epro_process::shutdown::Shutdown;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::redrive::job::{Ended, Runner};

/// A redrive, and who works at it.
pub(crate) type Work = (i64, Runner);

/// Redrives that are worked at at the same time.
const ABREAST: usize = 4;
/// Redrives that wait for their turn.
pub(crate) const WAITING: usize = 16;

/// Works until the process leaves. What isn't done by then stands still until somebody resumes it: each dead letter
/// is noted by itself, and one that is published twice is stored once.
pub(crate) async fn keep(mut work: mpsc::Receiver<Work>, shutdown: Shutdown) {
    let mut running = JoinSet::new();
    loop {
        tokio::select! {
            next = work.recv(), if running.len() < ABREAST => match next {
                Some((id, runner)) => { running.spawn(run(id, runner)); }
                None => return,
            },
            Some(_) = running.join_next() => {}
            () = shutdown.requested() => return,
        }
    }
}

async fn run(redrive: i64, mut runner: Runner) {
    match runner.run(redrive).await {
        Ok(Ended::Done) => tracing::info!(redrive, "a redrive is done"),
        Ok(Ended::Stopped) => tracing::info!(redrive, "a redrive was cancelled, or taken over"),
        Err(error) => tracing::warn!(redrive, error = format!("{error:#}"), "a redrive stands still"),
    }
}
