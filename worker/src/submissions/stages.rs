//! How long the stages take: added up over a chunk, as a measure for each submission would cost more than some of them.
//! So does the clock, which is read for some of a chunk: they stand for the others.

use std::time::{Duration, Instant};

/// The stages without I/O, in their order.
const STAGES: [&str; 5] = ["open", "clean", "deidentify", "structure", "score"];

/// Of so many submissions of a chunk the first is timed.
const EACH: usize = 8;

/// What the stages took, of one submission or of many.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spent {
    /// Submissions that were timed.
    timed: u32,
    stages: [Duration; STAGES.len()],
}

/// A clock that is read at the end of each stage, if the submission is timed.
pub(crate) struct Lap<'a> {
    spent: &'a mut Spent,
    stage: usize,
    since: Option<Instant>,
}

/// Whether the submission at this place in its chunk is timed.
pub(crate) fn is_timed(place: usize) -> bool {
    place.is_multiple_of(EACH)
}

impl Spent {
    /// Starts the first stage.
    pub(crate) fn start(&mut self, timed: bool) -> Lap<'_> {
        self.timed = timed.into();
        Lap { spent: self, stage: 0, since: timed.then(Instant::now) }
    }

    /// That of one more submission.
    pub(crate) fn add(&mut self, more: &Self) {
        self.timed += more.timed;
        for (sum, more) in self.stages.iter_mut().zip(more.stages) {
            *sum += more;
        }
    }

    /// Measures it as that of a chunk of so many.
    pub(crate) fn record(&self, submissions: usize) {
        for (stage, spent) in self.of_all(submissions) {
            metrics::histogram!("epro_stage_seconds", "stage" => stage).record(spent);
        }
    }

    /// What the stages took of so many, of which these were timed; a stage that nothing reached took nothing.
    fn of_all(&self, submissions: usize) -> impl Iterator<Item = (&'static str, Duration)> {
        let times = submissions as f64 / f64::from(self.timed);
        let spent = STAGES.into_iter().zip(self.stages).filter(|(_, spent)| !spent.is_zero());
        spent.map(move |(stage, spent)| (stage, spent.mul_f64(times)))
    }
}

impl Lap<'_> {
    /// The stage is over, the next one begins.
    pub(crate) fn next(&mut self) {
        let Some(since) = self.since else { return };
        let now = Instant::now();
        if let Some(spent) = self.spent.stages.get_mut(self.stage) {
            *spent += now - since;
        }
        (self.stage, self.since) = (self.stage + 1, Some(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_eight_is_timed_and_stands_for_the_others() {
        let (mut chunk, stage) = (Spent::default(), Duration::from_millis(2));
        for place in 0..12 {
            let mut one = Spent::default();
            one.start(is_timed(place)).next();
            assert!(one.timed > 0 || one.stages.iter().all(Duration::is_zero));
            one.stages = [if one.timed > 0 { stage } else { Duration::ZERO }; STAGES.len()];
            chunk.add(&one);
        }
        assert_eq!(chunk.timed, 2);
        let all: Vec<_> = chunk.of_all(12).collect();
        assert_eq!(all, STAGES.map(|name| (name, 12 * stage)));
        assert_eq!(Spent::default().of_all(12).count(), 0);
    }
}
