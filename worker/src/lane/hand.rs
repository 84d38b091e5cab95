//! What a lane has received and not started.

use std::collections::VecDeque;
use std::time::Duration;

use epro_broker::Delivery;
use tokio::time::{Instant, sleep_until};

use super::{Chunk, Lane};

/// The more of a chunk is there when it is due, the longer it is worth waiting for the rest: from this part of it on it
/// waits so many times as long. Few submissions cost little and should be stored soon; of many, each transaction less
/// is one that the others don't wait for.
const PATIENCE: [(usize, u32); 2] = [(4, 10), (16, 3)];
/// How often a chunk that waits looks whether more came.
const BREATHS: u32 = 4;

/// Fresh deliveries, which go in chunks, and those that come again, which go alone.
#[derive(Default)]
pub(super) struct Hand {
    fresh: VecDeque<Delivery>,
    again: VecDeque<Delivery>,
    first_at: Option<Instant>,
}

impl Hand {
    pub(super) fn take(&mut self, delivery: Delivery) {
        if delivery.redelivered() {
            self.again.push_back(delivery);
        } else {
            self.first_at.get_or_insert_with(Instant::now);
            self.fresh.push_back(delivery);
        }
    }

    /// Whether more can come before any of it starts.
    pub(super) fn has_room(&self, lane: &Lane, somebody_is_free: bool) -> bool {
        has_room(lane, self.fresh.len(), somebody_is_free)
    }

    /// How long to let more come together before taking it in, if there is something that may wait for more: being
    /// woken for each costs more.
    pub(super) fn breath(&self, lane: &Lane, somebody_is_free: bool) -> Option<Duration> {
        breath(lane, self.fresh.len(), somebody_is_free)
    }

    pub(super) fn next_chunk(&mut self, lane: &Lane, suspect_runs: bool) -> Option<Chunk> {
        if !suspect_runs && let Some(delivery) = self.again.pop_front() {
            return Some(Chunk { deliveries: vec![delivery], suspect: true });
        }
        if self.fresh.len() < lane.chunk && self.due_at(lane)? > Instant::now() {
            return None;
        }
        let size = self.fresh.len().min(lane.chunk);
        let deliveries: Vec<Delivery> = self.fresh.drain(..size).collect();
        self.first_at = (!self.fresh.is_empty()).then(Instant::now);
        Some(Chunk { deliveries, suspect: false })
    }

    pub(super) async fn due(&self, lane: &Lane) {
        match self.due_at(lane) {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    fn due_at(&self, lane: &Lane) -> Option<Instant> {
        Some(self.first_at? + linger(lane, self.fresh.len()))
    }

    /// Everything that is still in it.
    pub(super) fn empty(&mut self) -> impl Iterator<Item = Delivery> {
        self.fresh.drain(..).chain(self.again.drain(..))
    }
}

/// Its chunk isn't full; or nobody is free to take that, and what comes meanwhile isn't due before it.
fn has_room(lane: &Lane, there: usize, somebody_is_free: bool) -> bool {
    there < lane.chunk || !somebody_is_free
}

fn breath(lane: &Lane, there: usize, somebody_is_free: bool) -> Option<Duration> {
    let waits = there > 0 && has_room(lane, there, somebody_is_free);
    waits.then(|| linger(lane, there).min(3 * lane.linger) / BREATHS)
}

fn linger(lane: &Lane, there: usize) -> Duration {
    let times =
        PATIENCE.iter().find(|(part, _)| there >= lane.chunk.div_ceil(*part)).map_or(1, |(_, times)| *times);
    lane.linger * times
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(of: u64) -> Duration {
        Duration::from_millis(of)
    }

    fn lane(linger: Duration) -> Lane {
        Lane { name: "test", queue: "test".into(), prefetch: 1536, chunk: 256, linger, streak: None }
    }

    #[test]
    fn the_more_of_a_chunk_is_there_the_longer_it_waits_for_the_rest() {
        let waits = [0, 1, 15, 16, 63, 64, 255].map(|there| linger(&lane(ms(3)), there));
        assert_eq!(waits, [ms(3), ms(3), ms(3), ms(9), ms(9), ms(30), ms(30)]);
        assert_eq!(linger(&lane(Duration::ZERO), 64), Duration::ZERO);
    }

    #[test]
    fn a_full_hand_waits_for_more_only_while_nobody_is_free_to_take_it() {
        let breaths = |somebody_is_free| {
            [0, 1, 64, 255, 256, 768].map(|there| breath(&lane(ms(4)), there, somebody_is_free))
        };
        let (short, long) = (Some(ms(1)), Some(ms(3)));
        assert_eq!(breaths(true), [None, short, long, long, None, None]);
        assert_eq!(breaths(false), [None, short, long, long, long, long]);
    }

    #[test]
    fn a_hand_with_a_full_chunk_takes_more_only_while_nobody_is_free_to_take_that() {
        let takes = |somebody_is_free| {
            [0, 255, 256, 768].map(|there| has_room(&lane(ms(4)), there, somebody_is_free))
        };
        assert_eq!(takes(true), [true, true, false, false]);
        assert_eq!(takes(false), [true; 4]);
    }
}
