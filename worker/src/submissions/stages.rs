//! How long the stages take: added up over a chunk, as a measure for each submission would cost more than some of them.

use std::time::{Duration, Instant};

/// The stages without I/O, in their order.
const STAGES: [&str; 5] = ["open", "clean", "deidentify", "structure", "score"];

/// What the stages took, of one submission or of many.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spent([Duration; STAGES.len()]);

/// A clock that is read at the end of each stage.
pub(crate) struct Lap<'a> {
    spent: &'a mut Spent,
    stage: usize,
    since: Instant,
}

impl Spent {
    /// Starts the first stage.
    pub(crate) fn start(&mut self) -> Lap<'_> {
        Lap { spent: self, stage: 0, since: Instant::now() }
    }

    /// That of one more submission.
    pub(crate) fn add(&mut self, more: &Self) {
        for (sum, more) in self.0.iter_mut().zip(more.0) {
            *sum += more;
        }
    }

    /// Measures it as one chunk's; a stage that nothing reached took nothing.
    pub(crate) fn record(&self) {
        for (stage, spent) in STAGES.into_iter().zip(self.0).filter(|(_, spent)| !spent.is_zero()) {
            metrics::histogram!("epro_stage_seconds", "stage" => stage).record(spent);
        }
    }
}

impl Lap<'_> {
    /// The stage is over, the next one begins.
    pub(crate) fn next(&mut self) {
        let now = Instant::now();
        if let Some(spent) = self.spent.0.get_mut(self.stage) {
            *spent += now - self.since;
        }
        (self.stage, self.since) = (self.stage + 1, now);
    }
}
