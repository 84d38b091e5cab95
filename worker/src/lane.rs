//! A lane: one kind of work with its queue, its prefetch and its concurrency.
//!
//! This file is THE LOOP: next delivery | chunk due | chunk done | drain; how it ends is in `leaving`. It knows
//! nothing of what the work is; see [`Work`]. Deliveries are taken up to the prefetch, cut into chunks (full, or due a few
//! milliseconds after their first), and at most `SLOTS` chunks are under way, so that one commits
//! while the next fills.

mod hand;
mod leaving;
mod measures;
mod running;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use epro_broker::{Consumer, Delivery};
use futures_util::FutureExt as _;
use tokio::time::{Instant, sleep_until};

use crate::backoff;
use crate::standby::Standby;
use crate::streak::Streak;
use hand::Hand;
use measures::Measures;
use running::Running;

/// Chunks of one lane that are under way at the same time: two commit while the next is made.
pub(crate) const SLOTS: usize = 3;

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
    /// How long after its first delivery a chunk starts of which there is little; one that fills waits longer.
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

    /// Whether any is.
    pub(crate) fn any_settled(&self) -> bool {
        !self.settled.is_empty()
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
            let mut shift = Shift::begin(&lane, &work, &measures, consumer);
            let left = shift.consume(&standby).await;
            let left = shift.leave(left, &standby, &connection).await;
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

/// One subscription, from its first delivery to its last.
struct Shift<'a, W> {
    lane: &'a Lane,
    work: &'a Arc<W>,
    measures: &'a Measures,
    consumer: Consumer,
    /// One that is cancelled, while some of its deliveries are still in hand.
    cancelled: Option<Consumer>,
    hand: Hand,
    running: Running,
    streak: Streak,
    /// What could not be decided now.
    undone: Vec<Delivery>,
}

impl<'a, W: Work> Shift<'a, W> {
    fn begin(lane: &'a Lane, work: &'a Arc<W>, measures: &'a Measures, consumer: Consumer) -> Self {
        let (hand, running, streak) = (Hand::default(), Running::default(), Streak::new(lane.streak));
        let (cancelled, undone) = (None, Vec::new());
        Self { lane, work, measures, consumer, cancelled, hand, running, streak, undone }
    }

    async fn consume(&mut self, standby: &Standby) -> Left {
        let lane = self.lane;
        let (mut drain, mut paused) = (pin!(standby.drain()), pin!(standby.paused(lane)));
        let (mut breathing, mut breath) = (false, pin!(sleep_until(Instant::now())));
        loop {
            self.dispatch(lane);
            tokio::select! {
                biased;
                () = &mut drain => return Left::Drained,
                () = &mut paused => return Left::Paused,
                Some(handled) = self.running.next(lane) => {
                    if self.consumer.settle().await.is_err() {
                        return Left::Ended;
                    }
                    if let Err(left) = self.note(handled) {
                        return left;
                    }
                    // Somebody is free again: what was full waits for no more.
                    breathing &= self.hand.has_room(lane, true);
                }
                () = self.hand.due(lane), if self.running.has_room() => {}
                () = &mut breath, if breathing => breathing = false,
                delivery = self.consumer.next(), if !breathing => {
                    let Some(delivery) = delivery else { return Left::Ended };
                    self.hand.take(delivery);
                    self.take_more(lane);
                    if let Some(pause) = self.hand.breath(lane, self.running.has_room()) {
                        breathing = true;
                        breath.as_mut().reset(Instant::now() + pause);
                    }
                }
            }
        }
    }

    /// Takes what is there already: it needs no further round of the loop. At most a chunk of it, as the loop looks at
    /// what else has happened.
    fn take_more(&mut self, lane: &Lane) {
        for _ in 0..lane.chunk {
            if !self.hand.has_room(lane, self.running.has_room()) {
                return;
            }
            let Some(Some(delivery)) = self.consumer.next().now_or_never() else { return };
            self.hand.take(delivery);
        }
    }

    /// Starts what is due, as far as there is room.
    fn dispatch(&mut self, lane: &Lane) {
        while self.running.has_room()
            && let Some(chunk) = self.hand.next_chunk(lane, self.running.has_suspect())
        {
            self.measures.age(&chunk.deliveries);
            let (suspect, work) = (chunk.suspect, Arc::clone(self.work).handle(chunk));
            self.running.start(suspect, measured(work, self.measures.chunk.clone()));
        }
        self.measures.unsettled.set(self.consumer.outstanding() as f64);
    }

    /// Takes note of what became of a chunk. An error: the lane can't go on.
    fn note(&mut self, mut handled: Handled) -> Result<(), Left> {
        let ended_by = self.streak.ended_by(handled.classes());
        self.undone.append(&mut handled.undone);
        match ended_by {
            Some(class) => Err(Left::Streak(class)),
            None if self.undone.is_empty() => Ok(()),
            None => Err(Left::NotNow),
        }
    }
}

async fn measured(work: impl Future<Output = Handled> + Send, took: metrics::Histogram) -> Handled {
    let since = Instant::now();
    let handled = work.await;
    took.record(since.elapsed());
    handled
}
