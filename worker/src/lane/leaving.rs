//! How a lane ends. One whose process is told to leave first finishes whatever the broker has handed out to it.
//!
//! While a queue notes a cancel, for some milliseconds, it may still hand out messages. Those reach nobody: the broker
//! takes them back by itself, and they come again, flagged. So a consumer is cancelled when it may be handed nothing.
//! The lane keeps its acks back; under a backlog its hands are full at once, and that is it. Where so much doesn't
//! come, a last, small subscription is served before all others: while it has room the first one gets nothing and is
//! cancelled, and then it is soon full itself.

use std::time::Duration;

use epro_broker::{Connection, Consumer};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{Lane, Left, Shift, Work};
use crate::fault::{self, Seam};
use crate::standby::Standby;

/// Hands that aren't full by then are so for lack of a backlog; a queue that has handed out nothing until then hardly
/// does so just now.
const MOMENT: Duration = Duration::from_millis(300);
/// Deliveries for which the last subscription has room, beside as many as have come within [`MOMENT`]: more than come
/// while the first one is cancelled.
const LAST: usize = 8;

/// Until when what may happen; the rest of the time for leaving is for giving back and closing.
struct Times {
    take: Instant,
    begin: Instant,
    finish: Instant,
}

impl Times {
    fn within(drain: Duration) -> Self {
        let at = |share| Instant::now() + drain.mul_f64(share);
        Self { take: at(0.2), begin: at(0.5), finish: at(0.7) }
    }
}

impl<W: Work> Shift<'_, W> {
    /// Finish, commit, ack, cancel, give back the rest, close the channel. Only a process that is told to leave starts
    /// more than what was under way: whoever is paused, or can't decide, gives that back.
    pub(super) async fn leave(mut self, left: Left, standby: &Standby, connection: &Connection) -> Left {
        fault::at(Seam::Drain, None);
        let times = Times::within(standby.drain);
        let left = match left {
            Left::Drained => self.finish(&times, connection).await.err().unwrap_or(Left::Drained),
            left => left,
        };
        if matches!(left, Left::Ended) {
            // The broker has taken everything back already: no late acks. What is under way is finished, so
            // that nothing is left half done, and comes again as a duplicate.
            while self.running.next(self.lane).await.is_some() {}
            return left;
        }
        while let Ok(Some(handled)) = timeout_at(times.finish, self.running.next(self.lane)).await {
            // It goes anyway.
            let _ = self.note(handled);
            if self.settle().await.is_err() {
                break;
            }
        }
        if self.running.len() > 0 {
            tracing::warn!(
                lane = self.lane.name,
                chunks = self.running.len(),
                "not finished in time: the broker hands them out again"
            );
        }
        self.give_back().await;
        left
    }

    /// Takes all that is handed out and finishes it, as far as there is time. An error: it could not.
    async fn finish(&mut self, times: &Times, connection: &Connection) -> Result<(), Left> {
        self.take_all(times, connection).await?;
        // Nothing more comes that a chunk could wait for.
        let last = Lane { linger: Duration::ZERO, ..self.lane.clone() };
        loop {
            if Instant::now() < times.begin {
                self.dispatch(&last);
            }
            let Ok(Some(handled)) = timeout_at(times.finish, self.running.next(&last)).await else {
                return Ok(());
            };
            self.settle().await?;
            self.note(handled)?;
        }
    }

    /// Ends the subscription while nothing is on its way.
    async fn take_all(&mut self, times: &Times, connection: &Connection) -> Result<(), Left> {
        let came = self.fill(times.take.min(Instant::now() + MOMENT)).await?;
        if came > 0 && !self.consumer.is_full() {
            let room = u16::try_from(LAST + came).unwrap_or(u16::MAX);
            if let Ok(last) = Consumer::subscribe_first(connection, &self.lane.queue, room).await {
                let mut first = std::mem::replace(&mut self.consumer, last);
                let buffered = first.cancel().await;
                self.cancelled = Some(first);
                buffered.map_err(|_| Left::Ended)?.into_iter().for_each(|delivery| self.hand.take(delivery));
                self.fill(times.take).await?;
            }
        }
        let buffered = self.consumer.cancel().await.map_err(|_| Left::Ended)?;
        buffered.into_iter().for_each(|delivery| self.hand.take(delivery));
        Ok(())
    }

    /// Goes on without acking until the consumer may be handed no more, or the time is over; how many came.
    async fn fill(&mut self, until: Instant) -> Result<usize, Left> {
        self.consumer.keep_back();
        let mut came = 0;
        while !self.consumer.is_full() {
            self.dispatch(self.lane);
            tokio::select! {
                biased;
                () = sleep_until(until) => break,
                Some(handled) = self.running.next(self.lane) => self.note(handled)?,
                () = self.hand.due(self.lane), if self.running.has_room() => {}
                delivery = self.consumer.next() => {
                    self.hand.take(delivery.ok_or(Left::Ended)?);
                    came += 1;
                }
            }
        }
        Ok(came)
    }

    /// Sends what is decided.
    async fn settle(&mut self) -> Result<(), Left> {
        for consumer in self.cancelled.iter_mut().chain([&mut self.consumer]) {
            consumer.settle().await.map_err(|_| Left::Ended)?;
        }
        Ok(())
    }

    async fn give_back(mut self) {
        self.running.abandon().await;
        let mut given_back = 0;
        for delivery in self.hand.empty().chain(self.undone) {
            given_back += 1;
            delivery.release();
        }
        for consumer in self.cancelled.into_iter().chain([self.consumer]) {
            consumer.leave().await;
        }
        if given_back > 0 {
            tracing::info!(lane = self.lane.name, deliveries = given_back, "gave back what was not started");
        }
    }
}
