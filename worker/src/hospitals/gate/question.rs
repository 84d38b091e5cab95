//! Questions for reports: they share the door with what is delivered, and must not crowd it out.

use std::sync::Arc;
use std::time::Duration;

use super::{Gate, Lease, Measures, NotNow, Permit, SOON, Why};

/// The part of a hospital's limit that questions may take.
pub(super) struct Questions {
    at_once: u16,
    interval: Duration,
}

impl Questions {
    /// Their share of the pace; and of the calls under way all but one, where there is more than one.
    pub(super) fn new(measures: Measures) -> Self {
        let a_second = measures.calls_per_second * measures.query_share;
        Self {
            at_once: measures.concurrency.saturating_sub(1).max(1),
            interval: Duration::try_from_secs_f64(1.0 / a_second).unwrap_or(Duration::MAX),
        }
    }
}

impl Gate {
    /// Leave to ask one question, now.
    pub(crate) fn admit_question(self: &Arc<Self>, lease: &Lease) -> Result<Permit, NotNow> {
        let mut inside = self.inside();
        let now = self.clock.now();
        // A closed door is what counts, whoever else would be in the way.
        self.passes(&inside, lease)?;
        if inside.asking >= self.questions.at_once {
            return Err(NotNow { until: now + SOON, why: Why::Busy });
        }
        if let Some(until) = inside.question_at.filter(|at| now < *at) {
            return Err(NotNow { until, why: Why::Pace });
        }
        let probe = self.enter(&mut inside, lease)?;
        inside.asking += 1;
        inside.question_at = now.checked_add(self.questions.interval);
        Ok(Permit::new(Arc::clone(self), probe, true))
    }
}
