//! What a soak came to.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::conservation::Account;
use crate::days::finding::{Bound, Finding};
use crate::faults::in_use::{InUse, PASSING};
use crate::followed::Followed;

/// Memory may grow by a tenth.
const GROWTH: f64 = 1.1;
/// So much longer than planned it may take: whoever keeps up takes no longer.
const LATE: f64 = 1.02;

/// One soak.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// By which command, when, of which commit, on what.
    #[serde(flatten)]
    pub(super) head: Map<String, Value>,
    /// Submissions a second, as planned.
    pub rate: f64,
    /// How long, as planned.
    pub minutes: f64,
    /// What each of them is.
    pub body: String,
    /// How many.
    pub submissions: usize,
    /// How long it took to send them.
    pub seconds: f64,
    /// How often one had to be sent again.
    pub again: usize,
    /// What was counted, if nothing was lost.
    pub account: Option<Account>,
    /// What is wrong, if something is.
    pub wrong: Option<String>,
    pub(super) followed: Followed,
    /// Peaks in the first twelfth.
    pub warm: Memory,
    /// Peaks in the last.
    pub last: Memory,
    pub(super) before: InUse,
    pub(super) after: InUse,
    /// What the database has in the end.
    pub database_mib: f64,
    /// A look every ten seconds.
    pub samples: Vec<Sample>,
}

/// Resident memory, MiB.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Memory {
    /// Of the door.
    pub door: f64,
    /// Of the worker.
    pub worker: f64,
}

/// What was seen at one moment.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Sample {
    /// Seconds since the first was sent.
    pub at: f64,
    /// Submissions that were answered 202 by then.
    pub taken: usize,
    /// From each one's turn to its 202, of those since the look before.
    pub p99_ms: Option<f64>,
    /// Messages in the queues of submissions, unacked included; up to 5 s old.
    pub depth: Option<f64>,
    /// The same for the hospital.
    pub hospital: Option<f64>,
    /// Resident memory of the door, MiB.
    pub door: f64,
    /// Of the worker.
    pub worker: f64,
    /// CPU seconds so far.
    pub rabbitmq_cpu: Option<f64>,
    /// CPU seconds so far.
    pub postgres_cpu: Option<f64>,
}

impl Record {
    /// All of it beside what it must be.
    pub fn findings(&self) -> Vec<Finding> {
        let account = self.account.clone().unwrap_or_default();
        let most = |of: fn(&Sample) -> Option<f64>| self.samples.iter().filter_map(of).fold(0.0, f64::max);
        let more = |of: fn(&InUse) -> i64| (of(&self.after) - of(&self.before)) as f64;
        let (passing, beside) = (Bound::AtMost(PASSING as f64), self.seconds / (self.minutes * 60.0));
        let lost = account.accepted as f64 - (account.stored + account.dead) as f64;
        let mut findings = vec![
            Finding::new("conservation holds", f64::from(u8::from(self.wrong.is_none())), Bound::Is(1.0)),
            Finding::new("answered 202", account.accepted as f64, Bound::Is(self.submissions as f64)),
            Finding::new("of them lost", lost, Bound::Is(0.0)),
            Finding::new("set aside", account.dead as f64, Bound::Is(0.0)),
            Finding::new("sent again, for want of a 202", self.again as f64, Bound::Any),
            Finding::new("time that it took, over that planned", beside, Bound::AtMost(LATE)),
            Finding::new(
                "door: peak RSS of the last twelfth over that of the first",
                self.last.door / self.warm.door,
                Bound::AtMost(GROWTH),
            ),
            Finding::new("worker: the same", self.last.worker / self.warm.worker, Bound::AtMost(GROWTH)),
            Finding::new("channels, more than in the first twelfth", more(|used| used.channels), passing),
            Finding::new("sessions of PostgreSQL, the same", more(|used| used.sessions), passing),
            Finding::new(
                "worst p99 POST to 202 of ten seconds, ms",
                most(|sample| sample.p99_ms),
                Bound::Any,
            ),
            Finding::new("deepest that the queues were seen", most(|sample| sample.depth), Bound::Any),
            Finding::new("the same of the hospital's", most(|sample| sample.hospital), Bound::Any),
            Finding::new("database in the end, MiB", self.database_mib, Bound::Any),
        ];
        findings.extend(self.followed.findings(""));
        findings
    }
}
