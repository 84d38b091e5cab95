//! Notes on their way to the worker that writes them down.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use epro_broker::{Headers, Message, Publisher, topology};
use epro_process::shutdown::Shutdown;
use epro_schemas::audit_note::AuditNote;
use epro_schemas::kind;
use futures_util::StreamExt as _;
use uuid::Uuid;

use super::notes::Notes;

const EVERY: Duration = Duration::from_secs(5);
const WITHIN: Duration = Duration::from_secs(2);
/// Notes under way at a time: they must not take slots from submissions.
const AT_ONCE: usize = 8;
/// Most notes that wait for a broker that is away; above it the oldest are dropped, and counted.
const WAITING: usize = 4096;

/// Publishes the notes of a door.
pub(crate) struct Post {
    notes: Arc<Notes>,
    publisher: Publisher,
    /// Under the id of their message, which they keep: a try that got no answer may have arrived.
    waiting: VecDeque<(Uuid, AuditNote)>,
}

impl Post {
    pub(crate) fn new(notes: Arc<Notes>, publisher: Publisher) -> Self {
        Self { notes, publisher, waiting: VecDeque::new() }
    }

    /// Publishes every few seconds until asked to leave; gives itself back for the last time.
    pub(crate) async fn run(mut self, shutdown: Shutdown) -> Self {
        let mut tick = tokio::time::interval(EVERY);
        loop {
            tokio::select! {
                _ = tick.tick() => self.flush().await,
                () = shutdown.requested() => return self,
            }
        }
    }

    /// The last flush: what can't be delivered now is lost, and said so.
    pub(crate) async fn finish(mut self) {
        self.flush().await;
        drop_notes(self.waiting.len());
        if !self.waiting.is_empty() {
            tracing::error!(notes = self.waiting.len(), "audit notes could not be delivered before the end");
        }
    }

    async fn flush(&mut self) {
        self.waiting.extend(self.notes.take().into_iter().map(|note| (Uuid::now_v7(), note)));
        let due: Vec<(Uuid, AuditNote)> = self.waiting.drain(..).collect();
        let publisher = &self.publisher;
        let away = AtomicBool::new(false);
        let sent = futures_util::stream::iter(due).map(async |(id, note)| {
            // After the first that got no answer the others are not tried, or a flush would take
            // two seconds a note.
            if away.load(Ordering::Relaxed)
                || publisher.publish_within(message(id, &note), WITHIN).await.is_err()
            {
                away.store(true, Ordering::Relaxed);
                Some((id, note))
            } else {
                None
            }
        });
        let kept: Vec<Option<(Uuid, AuditNote)>> = sent.buffered(AT_ONCE).collect().await;
        self.waiting.extend(kept.into_iter().flatten());
        let excess = self.waiting.len().saturating_sub(WAITING);
        self.waiting.drain(..excess);
        drop_notes(excess);
    }
}

fn drop_notes(count: usize) {
    if count > 0 {
        metrics::counter!("epro_audit_notes_dropped_total")
            .increment(u64::try_from(count).unwrap_or(u64::MAX));
    }
}

fn message(id: Uuid, note: &AuditNote) -> Message {
    let body = serde_json::to_vec(note).unwrap_or_default();
    Message::work(topology::COMMANDS, id, kind::AUDIT, Headers::default(), body.into())
}
