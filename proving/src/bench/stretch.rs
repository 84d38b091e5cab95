//! As many submissions in front of a queue of any depth: what a pace there is taken of.
//!
//! A worker is through with ten thousand in a third of a second, a consumer that only acks in a tenth: one such drain
//! says little. Nor can a shallow queue be kept as deep as it is while it is consumed. Nobody publishes as fast as a
//! bare consumer takes, least of all on the same cores, and whoever publishes would be what is measured. So a shallow
//! queue is filled anew each time that it is empty and the machine rests, as often as it takes: every depth is rated
//! over the same number, and of a contender's first and last ones, which come in another way, none is rated anywhere.

use anyhow::{Result, ensure};

use super::ground::{Ground, PREFETCH};

/// The shallowest queue.
pub(super) const SHALLOWEST: usize = 10_000;
/// Submissions that are rated at each depth.
const RATED: usize = 50_000;
/// The first ones: connections, prefetch and chunks fill.
pub(super) const WARM_UP: usize = 2_000;
/// What a worker has stored at any depth when its memory is looked at. A peak is one moment's, so each depth gets as
/// many moments.
pub(super) const STORED: usize = Stretches::at(SHALLOWEST).all();

/// How those that are rated are taken at one depth: in one piece, or in as many as fit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretches {
    queued: usize,
}

impl Stretches {
    pub(super) const fn at(queued: usize) -> Self {
        Self { queued }
    }

    /// How many pieces.
    pub(super) const fn count(self) -> usize {
        RATED / self.each()
    }

    /// Rated in each of them.
    pub(super) const fn each(self) -> usize {
        if self.queued < RATED { self.queued } else { RATED }
    }

    /// What one of them takes out of the queue: the first ones, those that are rated, and what a consumer holds
    /// meanwhile, so that the last chunk that is rated waits for nothing.
    pub(super) const fn whole(self) -> usize {
        WARM_UP + self.each() + PREFETCH as usize
    }

    /// What lies behind it: where the rated ones begin, so many as are called queued are ready.
    pub(super) const fn behind(self) -> usize {
        self.queued - self.each()
    }

    const fn all(self) -> usize {
        self.count() * self.whole()
    }

    /// The pace in the piece with that number, counted from 0, by the database's clock. All of it is stored.
    pub(super) async fn rated(self, ground: &Ground, number: usize) -> Result<Pace> {
        let first = number * self.whole() + WARM_UP;
        let place = |place: usize| {
            format!("(SELECT stored_at FROM identified.submission ORDER BY stored_at OFFSET {place} LIMIT 1)")
        };
        let sql = format!(
            "WITH mark AS (SELECT {} AS begun, {} AS ended)
             SELECT extract(epoch FROM ended - begun)::float8, (SELECT count(*) FROM identified.submission
                 WHERE stored_at > begun AND stored_at <= ended) FROM mark",
            place(first),
            place(first + self.each() - 1)
        );
        let row = ground.link.client.query_one(&sql, &[]).await?;
        let (seconds, after_first): (f64, i64) = (row.get(0), row.get(1));
        Pace::of(after_first as f64, seconds)
    }
}

/// So many in so long.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    count: f64,
    seconds: f64,
}

impl Pace {
    /// An error if it took no time.
    pub(super) fn of(count: f64, seconds: f64) -> Result<Self> {
        ensure!(seconds > 0.0, "{count} in no time give no pace");
        Ok(Self { count, seconds })
    }

    /// Both together.
    pub(super) fn and(self, other: Self) -> Self {
        Self { count: self.count + other.count, seconds: self.seconds + other.seconds }
    }

    pub(super) fn a_second(self) -> f64 {
        self.count / self.seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_depth_is_rated_over_as_many_with_as_many_queued_as_it_is_called_by() {
        for queued in [SHALLOWEST, 100_000, 1_000_000] {
            let stretches = Stretches::at(queued);
            assert_eq!(stretches.count() * stretches.each(), RATED);
            let first_rated = stretches.behind() + stretches.whole() - WARM_UP;
            assert_eq!(first_rated - usize::from(PREFETCH), queued);
            assert!(stretches.behind() + stretches.whole() >= STORED || stretches.count() > 1);
        }
    }

    #[test]
    fn a_pace_of_several_stretches_is_that_of_all_their_time() {
        let pace = Pace::of(10.0, 1.0).unwrap().and(Pace::of(10.0, 3.0).unwrap());
        assert_eq!(pace.a_second(), 5.0);
        assert!(Pace::of(10.0, 0.0).is_err());
    }
}
