//! Notes on their way to the worker that writes them down.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use epro_broker::{Confirmed, Headers, Message, PublishError, Publisher, topology};
use epro_process::shutdown::Shutdown;
use epro_schemas::audit_note::AuditNote;
use epro_schemas::seal::{KeyRing, SealError};
use futures_util::StreamExt as _;
use uuid::Uuid;

use super::notes::Notes;

const EVERY: Duration = Duration::from_secs(5);
const WITHIN: Duration = Duration::from_secs(2);
/// Notes under way at a time, those included of which nobody expects an answer any more: they must not take slots
/// from submissions.
const AT_ONCE: usize = 8;
/// Most notes that wait for a broker that is away; above it the oldest are dropped, and counted.
const WAITING: usize = 4096;

/// A note that didn't leave, and why, if it was tried.
type Kept = (Uuid, AuditNote, Option<PublishError>);

/// Publishes the notes of a door.
pub(crate) struct Post {
    notes: Arc<Notes>,
    publisher: Publisher,
    ring: Arc<KeyRing>,
    /// Under the id of their message, which they keep: a try that got no answer may have arrived.
    waiting: VecDeque<(Uuid, AuditNote)>,
    /// Whether it was said that notes wait.
    held: bool,
}

impl Post {
    pub(crate) fn new(notes: Arc<Notes>, publisher: &Publisher, ring: Arc<KeyRing>) -> Self {
        let (publisher, waiting) = (publisher.sharing(AT_ONCE), VecDeque::new());
        Self { notes, publisher, ring, waiting, held: false }
    }

    /// Publishes every few seconds until asked to leave; gives itself back for the last time.
    pub(crate) async fn run(mut self, shutdown: Shutdown) -> Self {
        let mut tick = tokio::time::interval(EVERY);
        loop {
            tokio::select! {
                _ = tick.tick() => self.flush(self.notes.due()).await,
                () = shutdown.requested() => return self,
            }
        }
    }

    /// The last flush: what can't be delivered now is lost, and said so.
    pub(crate) async fn finish(mut self) {
        self.flush(self.notes.take()).await;
        drop_notes(self.waiting.len());
        if !self.waiting.is_empty() {
            tracing::error!(notes = self.waiting.len(), "audit notes could not be delivered before the end");
        }
    }

    async fn flush(&mut self, told: Vec<AuditNote>) {
        self.waiting.extend(told.into_iter().map(|note| (Uuid::now_v7(), note)));
        let due: Vec<(Uuid, AuditNote)> = self.waiting.drain(..).collect();
        let (publisher, ring) = (&self.publisher, &*self.ring);
        let stop = &AtomicBool::new(false);
        let sent = futures_util::stream::iter(due).map(async |(id, note)| {
            // After the first failure the others are not tried, or a flush could take two seconds
            // a note.
            if stop.load(Ordering::Relaxed) {
                return Err((id, note, None));
            }
            let outcome = send(publisher, ring, (id, &note), WITHIN).await;
            outcome.map_err(|error| {
                stop.store(true, Ordering::Relaxed);
                (id, note, Some(error))
            })
        });
        let outcomes: Vec<Result<Confirmed, Kept>> = sent.buffered(AT_ONCE).collect().await;
        for outcome in outcomes {
            match outcome {
                Ok(_receipt) => self.tell(None),
                Err((id, note, error)) => {
                    self.waiting.push_back((id, note));
                    error.into_iter().for_each(|error| self.tell(Some(error)));
                }
            }
        }
        let excess = self.waiting.len().saturating_sub(WAITING);
        self.waiting.drain(..excess);
        drop_notes(excess);
    }

    /// Says once that notes are held back, and once that they no longer are.
    fn tell(&mut self, failure: Option<PublishError>) {
        match (&failure, self.held) {
            (Some(error), false) => tracing::warn!(%error, "audit notes are held back"),
            (None, true) => tracing::info!("audit notes are delivered again"),
            _ => {}
        }
        self.held = failure.is_some();
    }
}

fn drop_notes(count: usize) {
    if count > 0 {
        metrics::counter!("epro_audit_notes_dropped_total")
            .increment(u64::try_from(count).unwrap_or(u64::MAX));
    }
}

/// Sends one note, as the message of that id.
pub(super) async fn send(
    publisher: &Publisher,
    ring: &KeyRing,
    (id, note): (Uuid, &AuditNote),
    within: Duration,
) -> Result<Confirmed, PublishError> {
    publisher.publish_within(message(ring, id, note)?, within).await
}

fn message(ring: &KeyRing, id: Uuid, note: &AuditNote) -> Result<Message, SealError> {
    Ok(Message::work(topology::COMMANDS, Headers::default(), ring.body(id, note)?))
}

#[cfg(test)]
mod tests {
    use epro_broker::PublisherOptions;
    use epro_schemas::key::SecretKey;

    use super::super::{Event, Origin};
    use super::*;

    fn note(status: u16) -> AuditNote {
        let event = Event {
            action: "submission.read",
            outcome: "ok",
            route: "/",
            status,
            class: "ok",
            client: None,
            actor: None,
            submission_id: None,
            report_id: None,
            export_id: None,
        };
        event.alone(&Origin::default())
    }

    #[tokio::test]
    async fn while_the_broker_is_away_the_newest_notes_wait_in_order_and_older_ones_are_dropped() {
        const BEYOND: u16 = 100;
        let (publisher, _never_driven) = Publisher::start(PublisherOptions {
            url: "amqp://guest:guest@127.0.0.1:5672/v".parse().unwrap(),
            name: "notes".to_owned(),
            outstanding: 2,
            confirm_timeout: WITHIN,
        });
        let ring = KeyRing::new("k1", vec![("k1".to_owned(), SecretKey::new([7; 32]))]).unwrap();
        let mut post = Post::new(Arc::default(), &publisher, Arc::new(ring));
        let all = u16::try_from(WAITING).unwrap() + BEYOND;
        post.waiting.extend((0..all).map(|number| (Uuid::now_v7(), note(number))));
        let ids: Vec<Uuid> = post.waiting.iter().skip(BEYOND.into()).map(|(id, _)| *id).collect();

        post.flush(Vec::new()).await;

        let left: Vec<(Uuid, u16)> = post.waiting.iter().map(|(id, note)| (*id, note.status)).collect();
        assert_eq!(left, ids.into_iter().zip(BEYOND..all).collect::<Vec<_>>());
        assert!(post.held, "and it was said that they are held back");
    }
}
