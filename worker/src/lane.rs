//! A lane: one kind of work with its queue, its prefetch and its concurrency.
//!
//! This file is THE LOOP: next delivery | chunk due | chunk done | drain. It knows nothing of what the
//! work is; see [`Work`]. Deliveries are taken up to the prefetch, cut into chunks (full, or due a few
//! milliseconds after their first), and at most `SLOTS` chunks are under way, so that one commits
//! while the next fills.

mod measures;
mod running;

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use epro_broker::{Consumer, Delivery};
use futures_util::FutureExt as _;
use tokio::time::{Instant, sleep_until};

use crate::backoff;
use crate::standby::Standby;
use crate::streak::Streak;
use measures::Measures;
use running::Running;

/// Chunks of one lane that are under way at the same time: two commit while the next is made.
pub(crate) const SLOTS: usize = 3;

/// How often, while an unfilled chunk waits for more, the lane looks whether more came.
const BREATHS: u32 = 4;

/// How one lane consumes.
#[derive(Debug, Clone)]
pub(crate) struct Lane {
    /// What logs, metrics and `ops.pause` call it, for example `submissions.routine`.
    pub name: &'static str,
    /// The queue it consumes.
    pub queue: String,
    /// Unacked deliveries that the broker hands out.
    pub prefetch: u16,
    /// Deliveries in a full chunk.
    pub chunk: usize,
    /// How long after its first delivery an unfilled chunk starts.
    pub linger: Duration,
    /// Dead letters of one class in a row after which the lane pauses itself; `None`: never.
    pub streak: Option<u32>,
}

/// What a lane does with a chunk.
pub(crate) trait Work: Send + Sync + 'static {
    /// Settles each delivery of the chunk by value and says what became of them; what it can't decide
    /// now (PostgreSQL was away for longer than a hold) comes back in [`Handled::undone`].
    fn handle(self: Arc<Self>, chunk: Chunk) -> impl Future<Output = Handled> + Send;
}

/// Deliveries that are handled, and mostly committed, together.
pub(crate) struct Chunk {
    /// In the order in which they came.
    pub deliveries: Vec<Delivery>,
    /// It holds one delivery that the broker has handed out before: whatever broke then must not take
    /// neighbours with it.
    pub suspect: bool,
}

/// What became of a chunk.
#[derive(Default)]
pub(crate) struct Handled {
    /// One per settled delivery: its place in the chunk, and the class of the dead letter that it became.
    settled: Vec<(usize, Option<&'static str>)>,
    /// Undecided deliveries: the lane leaves and gives them back.
    pub undone: Vec<Delivery>,
}

impl Handled {
    /// The delivery at `place` in the chunk is settled: as a dead letter of that class, or well.
    pub(crate) fn settled(&mut self, place: usize, class: Option<&'static str>) {
        self.settled.push((place, class));
    }

    /// What became of the settled ones, in the order in which they came: the stages settle by outcome, and
    /// a success between two dead letters must not be counted before both.
    pub(crate) fn classes(&mut self) -> impl Iterator<Item = Option<&'static str>> {
        self.settled.sort_by_key(|(place, _)| *place);
        self.settled.iter().map(|(_, class)| *class)
    }
}

enum Left {
    Drained,
    Ended,
    Paused,
    Streak(&'static str),
    NotNow,
}

impl Left {
    fn reason(&self) -> &'static str {
        match self {
            Self::Drained => "the process drains",
            Self::Ended => "the broker ended the consumer: subscribing again",
            Self::Paused => "the lane is paused",
            Self::Streak(_) => "too many dead letters of one class in a row",
            Self::NotNow => "what was in hand could not be decided now and is given back",
        }
    }
}

/// Consumes until the process drains. Ends only then.
pub(crate) async fn run<W: Work>(lane: Lane, work: Arc<W>, mut standby: Standby) {
    let mut breaths = backoff::steady();
    let measures = Measures::of(lane.name);
    while let Some(connection) = standby.open(&lane).await {
        if let Some(consumer) = standby.subscribe(&lane, &connection).await {
            tracing::info!(
                lane = lane.name,
                queue = lane.queue,
                prefetch = lane.prefetch,
                "lane is consuming"
            );
            measures.consuming.set(1.0);
            let left = consume(&lane, &work, &standby, consumer, &measures).await;
            measures.consuming.set(0.0);
            measures.unsettled.set(0.0);
            standby.left(left.reason());
            tracing::info!(lane = lane.name, reason = left.reason(), "lane stopped consuming");
            match left {
                Left::Streak(class) => standby.pause_self(&lane, class).await,
                // What was given back comes again at once, and first.
                Left::NotNow => standby.rest(breaths.next().unwrap_or(backoff::LONGEST)).await,
                Left::Drained | Left::Ended | Left::Paused => breaths = backoff::steady(),
            }
        }
        connection.close().await;
    }
}

async fn consume<W: Work>(
    lane: &Lane,
    work: &Arc<W>,
    standby: &Standby,
    mut consumer: Consumer,
    measures: &Measures,
) -> Left {
    let mut hand = Hand::default();
    let mut running = Running::default();
    let mut streak = Streak::new(lane.streak);
    let mut undone = Vec::new();
    let (mut drain, mut paused) = (pin!(standby.drain()), pin!(standby.paused(lane)));
    let (mut breathing, mut breath) = (false, pin!(sleep_until(Instant::now())));
    let left = loop {
        while running.has_room()
            && let Some(chunk) = hand.next_chunk(lane, running.has_suspect())
        {
            measures.age(&chunk.deliveries);
            running.start(chunk.suspect, measured(Arc::clone(work).handle(chunk), measures.chunk.clone()));
        }
        measures.unsettled.set(consumer.outstanding() as f64);
        tokio::select! {
            biased;
            () = &mut drain => break Left::Drained,
            () = &mut paused => break Left::Paused,
            Some(mut handled) = running.next(lane) => {
                if consumer.settle().await.is_err() {
                    break Left::Ended;
                }
                let ended_by = streak.ended_by(handled.classes());
                undone = handled.undone;
                if let Some(class) = ended_by {
                    break Left::Streak(class);
                }
                if !undone.is_empty() {
                    break Left::NotNow;
                }
            }
            () = hand.due(lane), if running.has_room() => {}
            () = &mut breath, if breathing => breathing = false,
            delivery = consumer.next(), if !breathing => match delivery {
                Some(delivery) => {
                    hand.take(delivery);
                    // What is there already needs no further round of the loop.
                    while hand.has_room(lane) && let Some(Some(delivery)) = consumer.next().now_or_never() {
                        hand.take(delivery);
                    }
                    // More is coming, and being woken for each costs more than taking them in together.
                    breathing = hand.has_room(lane) && hand.lingers();
                    breath.as_mut().reset(Instant::now() + lane.linger / BREATHS);
                }
                None => break Left::Ended,
            },
        }
    };
    leave(lane, left, standby, consumer, hand, running, undone).await
}

async fn measured(work: impl Future<Output = Handled> + Send, took: metrics::Histogram) -> Handled {
    let since = Instant::now();
    let handled = work.await;
    took.record(since.elapsed());
    handled
}

/// Stop dispatching, finish, commit, ack, cancel, give back the rest, close the channel: in this order.
async fn leave(
    lane: &Lane,
    left: Left,
    standby: &Standby,
    mut consumer: Consumer,
    hand: Hand,
    mut running: Running,
    mut undone: Vec<Delivery>,
) -> Left {
    crate::fault::at(crate::fault::Seam::Drain, None);
    if matches!(left, Left::Ended) {
        // The broker has taken everything back already: no late acks. What is under way is finished, so
        // that nothing is left half done, and comes again as a duplicate.
        while running.next(lane).await.is_some() {}
        return left;
    }
    let deadline = standby.drain_deadline();
    while let Ok(Some(mut handled)) = tokio::time::timeout_at(deadline, running.next(lane)).await {
        undone.append(&mut handled.undone);
        if consumer.settle().await.is_err() {
            break;
        }
    }
    if running.len() > 0 {
        tracing::warn!(
            lane = lane.name,
            chunks = running.len(),
            "not finished in time: the broker hands them out again"
        );
        running.abandon().await;
    }
    let given_back = hand.fresh.len() + hand.again.len() + undone.len();
    for delivery in hand.fresh.into_iter().chain(hand.again).chain(undone) {
        delivery.release();
    }
    consumer.leave().await;
    if given_back > 0 {
        tracing::info!(lane = lane.name, deliveries = given_back, "gave back what was not started");
    }
    left
}

/// What is received and not started.
#[derive(Default)]
struct Hand {
    fresh: VecDeque<Delivery>,
    again: VecDeque<Delivery>,
    first_at: Option<Instant>,
}

impl Hand {
    fn take(&mut self, delivery: Delivery) {
        if delivery.redelivered() {
            self.again.push_back(delivery);
        } else {
            self.first_at.get_or_insert_with(Instant::now);
            self.fresh.push_back(delivery);
        }
    }

    fn has_room(&self, lane: &Lane) -> bool {
        self.fresh.len() < lane.chunk
    }

    /// There is something that may wait for more.
    fn lingers(&self) -> bool {
        self.first_at.is_some()
    }

    fn next_chunk(&mut self, lane: &Lane, suspect_runs: bool) -> Option<Chunk> {
        if !suspect_runs && let Some(delivery) = self.again.pop_front() {
            return Some(Chunk { deliveries: vec![delivery], suspect: true });
        }
        let first_at = self.first_at?;
        if self.fresh.len() < lane.chunk && first_at.elapsed() < lane.linger {
            return None;
        }
        let size = self.fresh.len().min(lane.chunk);
        let deliveries: Vec<Delivery> = self.fresh.drain(..size).collect();
        self.first_at = (!self.fresh.is_empty()).then(Instant::now);
        Some(Chunk { deliveries, suspect: false })
    }

    async fn due(&self, lane: &Lane) {
        match self.first_at {
            Some(first_at) => sleep_until(first_at + lane.linger).await,
            None => std::future::pending().await,
        }
    }
}
