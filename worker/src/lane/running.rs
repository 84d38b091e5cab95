//! The chunks of a lane that are under way.

use tokio::task::{Id, JoinError, JoinSet};

use super::{Handled, Lane, SLOTS};

/// Chunks under way, at most [`SLOTS`].
#[derive(Default)]
pub(super) struct Running {
    chunks: JoinSet<Handled>,
    /// One suspect at a time: two that crash together could not be told apart.
    suspect: Option<Id>,
}

impl Running {
    pub(super) fn has_room(&self) -> bool {
        self.chunks.len() < SLOTS
    }

    pub(super) fn has_suspect(&self) -> bool {
        self.suspect.is_some()
    }

    pub(super) fn len(&self) -> usize {
        self.chunks.len()
    }

    pub(super) fn start(&mut self, suspect: bool, work: impl Future<Output = Handled> + Send + 'static) {
        let id = self.chunks.spawn(work).id();
        if suspect {
            self.suspect = Some(id);
        }
    }

    /// What became of the next one that ends; `None`: none is under way. Nothing is lost if it is dropped.
    pub(super) async fn next(&mut self, lane: &Lane) -> Option<Handled> {
        let ended = self.chunks.join_next_with_id().await?;
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        if self.suspect == Some(id) {
            self.suspect = None;
        }
        Some(ended.map_or_else(|error| lost(lane, &error), |(_, handled)| handled))
    }

    /// Ends those that are still under way: the broker hands out again what they hold.
    pub(super) async fn abandon(mut self) {
        self.chunks.shutdown().await;
    }
}

/// Its deliveries were dropped unsettled, which requeues them; each comes back alone.
fn lost(lane: &Lane, error: &JoinError) -> Handled {
    tracing::error!(lane = lane.name, panicked = error.is_panic(), "a chunk was lost to a panic");
    Handled::default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn lane() -> Lane {
        let linger = Duration::ZERO;
        Lane { name: "test", queue: "test".into(), prefetch: 1, chunk: 1, linger, streak: None }
    }

    #[tokio::test]
    async fn a_chunk_that_panics_beside_a_suspect_makes_no_room_for_a_second_suspect() {
        let mut running = Running::default();
        running.start(true, std::future::pending());
        running.start(false, async { panic!("of no suspect") });
        assert!(running.next(&lane()).await.is_some());
        assert!(running.has_suspect());
        running.abandon().await;
    }

    #[tokio::test]
    async fn a_suspect_that_panics_makes_room_for_the_next() {
        let mut running = Running::default();
        running.start(true, async { panic!("a suspect") });
        assert!(running.next(&lane()).await.is_some());
        assert!(!running.has_suspect() && running.next(&lane()).await.is_none());
    }
}
