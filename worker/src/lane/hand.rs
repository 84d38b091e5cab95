//! What a lane has received and not started.

use std::collections::VecDeque;
use std::time::Duration;

use epro_broker::Delivery;
use tokio::time::{Instant, sleep_until};

use super::{Chunk, Lane};

/// A chunk fills fast if this part of it is there.
const FAST: usize = 4;
/// So many times as long one that fills fast waits.
const LONGER: u32 = 3;

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

    pub(super) fn has_room(&self, lane: &Lane) -> bool {
        self.fresh.len() < lane.chunk
    }

    /// There is something that may wait for more.
    pub(super) fn lingers(&self) -> bool {
        self.first_at.is_some()
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

    /// A chunk that fills fast is waited for: half as many transactions for the same submissions.
    fn due_at(&self, lane: &Lane) -> Option<Instant> {
        Some(self.first_at? + linger(lane, self.fresh.len()))
    }

    /// Everything that is still in it.
    pub(super) fn empty(&mut self) -> impl Iterator<Item = Delivery> {
        self.fresh.drain(..).chain(self.again.drain(..))
    }
}

fn linger(lane: &Lane, there: usize) -> Duration {
    lane.linger * if there >= lane.chunk / FAST { LONGER } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_of_which_a_quarter_is_there_is_waited_for_three_times_as_long() {
        let ms = Duration::from_millis;
        let (name, queue) = ("test", "test".into());
        let lane = Lane { name, queue, prefetch: 512, chunk: 256, linger: ms(10), streak: None };
        assert_eq!([0, 63, 64, 255].map(|there| linger(&lane, there)), [ms(10), ms(10), ms(30), ms(30)]);
        let urgent = Lane { linger: Duration::ZERO, ..lane };
        assert_eq!(linger(&urgent, 64), Duration::ZERO);
    }
}
