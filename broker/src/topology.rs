//! Names, declaration and check of every exchange and queue.
//!
//! What keeps data safe is in frozen arguments, so that a forgotten policy costs tuning and
//! never data; what may change is in [`Topology::policies`].

use crate::connection::{ConnectError, Connection};

mod plan;
mod policy;
mod scout;

pub use plan::Binding;
use plan::Plan;
pub use policy::{Policy, Setting};
use scout::{Finding, Scout};

/// Exchange that all work is published through (direct, no alternate: an unroutable message is returned).
pub const WORK: &str = "epro.work";
/// Exchange that waits expire into (direct, alternate exchange [`DEAD`]).
pub const RETURN: &str = "epro.return";
/// Exchange (fanout) and queue of dead letters on their way to a row.
pub const DEAD: &str = "epro.dead";
/// Queue of submissions that alert.
pub const SUBMISSIONS_URGENT: &str = "epro.submissions.urgent";
/// Queue of all other submissions.
pub const SUBMISSIONS_ROUTINE: &str = "epro.submissions.routine";
/// Queue of submissions that have waited.
pub const SUBMISSIONS_DEFERRED: &str = "epro.submissions.deferred";
/// Queue of alerts to send.
pub const ALERTS: &str = "epro.alerts";
/// Queue of commands, such as an acknowledgement.
pub const COMMANDS: &str = "epro.commands";
/// Queue of risk questions.
pub const RISK: &str = "epro.risk";
/// Queue of export wake-ups.
pub const EXPORTS: &str = "epro.exports";

/// The queues that lanes of a worker consume all the time, by lane. A lane's kind goes before its first dot. Those of
/// hospitals are not among them: each has a consumer while somebody holds its hospital's lease.
pub const CONSUMED: [(&str, &str); 8] = [
    ("submissions.urgent", SUBMISSIONS_URGENT),
    ("submissions.routine", SUBMISSIONS_ROUTINE),
    ("submissions.deferred", SUBMISSIONS_DEFERRED),
    ("dead", DEAD),
    ("commands", COMMANDS),
    ("alerts", ALERTS),
    ("risk", RISK),
    ("exports", EXPORTS),
];

/// Queue of what is to be delivered to the hospital of `site`.
pub fn his(site: &str) -> String {
    format!("epro.his.{site}")
}

/// Queue of what is to be asked of the hospital of `site`.
pub fn query(site: &str) -> String {
    format!("epro.query.{site}")
}

/// Queue that a message of `queue` comes back to after a wait: the same one, but
/// [`SUBMISSIONS_DEFERRED`] for the intake queues. Those have a maximum length, and a full queue
/// behind a wait tier would hold up everything in the tier.
pub fn home(queue: &str) -> &str {
    match queue {
        SUBMISSIONS_URGENT | SUBMISSIONS_ROUTINE => SUBMISSIONS_DEFERRED,
        other => other,
    }
}

/// Everything that must be on the broker.
#[derive(Clone, Debug)]
pub struct Topology {
    plan: Plan,
}

/// What [`Topology::apply`] found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// `queue epro.alerts` and so on, declared now.
    pub created: Vec<String>,
    /// The same, found as they should be.
    pub unchanged: Vec<String>,
}

/// An exchange or queue that isn't there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Missing {
    /// Name of the exchange.
    Exchange(String),
    /// Name of the queue.
    Queue(String),
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exchange(name) => write!(f, "exchange {name}"),
            Self::Queue(name) => write!(f, "queue {name}"),
        }
    }
}

/// Why the topology couldn't be applied or checked.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    /// What is there isn't what we would declare. Nothing was changed.
    #[error("the broker's topology differs; nothing was changed: {}", .0.join("; "))]
    Different(Vec<String>),
    /// The broker user lacks the right to look or to declare.
    #[error("the broker refuses access to {0}")]
    Refused(String),
    /// A name of ours is longer than 255 bytes.
    #[error("the name {0:?} is longer than 255 bytes")]
    Name(String),
    /// The connection ended or didn't answer.
    #[error("the broker went away: {0}")]
    Away(String),
}

impl From<ConnectError> for TopologyError {
    fn from(error: ConnectError) -> Self {
        Self::Away(error.to_string())
    }
}

/// What a passive declare says of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depth {
    /// Messages that are ready to be delivered.
    pub ready: u32,
    /// Consumers subscribed.
    pub consumers: u32,
}

impl Topology {
    /// The topology for `sites` (those with a hospital). `time_scale` stretches or shrinks the
    /// wait tiers; 1.0 leaves them as they are named.
    pub fn new(sites: &[String], time_scale: f64) -> Self {
        Self { plan: Plan::new(sites, time_scale) }
    }

    /// Declares what is missing. Idempotent; looks first, and changes nothing if anything
    /// differs. A queue as an earlier version declared it stays so: it works, and `epro doctor`
    /// says what it lacks. A quorum queue isn't crash-safe in its first second: wait two after
    /// something was created before you count on it.
    pub async fn apply(&self, connection: &Connection) -> Result<Report, TopologyError> {
        let mut scout = Scout::new(connection);
        let mut report = Report::default();
        let mut differences = Vec::new();
        for object in self.plan.objects() {
            if scout.look(object).await? == Finding::Absent {
                report.created.push(object.missing().to_string());
                continue;
            }
            match scout.declare(object).await? {
                Finding::Different(difference) => differences.push(difference),
                Finding::There | Finding::Absent => report.unchanged.push(object.missing().to_string()),
            }
        }
        if !differences.is_empty() {
            return Err(TopologyError::Different(differences));
        }
        self.create(&mut scout).await?;
        Ok(report)
    }

    /// All of it again, in order: the broker leaves alone what is there.
    async fn create(&self, scout: &mut Scout<'_>) -> Result<(), TopologyError> {
        for object in self.plan.objects() {
            if let Finding::Different(difference) = scout.declare(object).await? {
                return Err(TopologyError::Away(format!("someone else declares too: {difference}")));
            }
        }
        for binding in self.plan.bindings() {
            scout.bind(binding).await?;
        }
        Ok(())
    }

    /// Names what is missing, by passive declares only, so that no right to configure is needed.
    pub async fn check(&self, connection: &Connection) -> Result<Vec<Missing>, TopologyError> {
        let mut scout = Scout::new(connection);
        let mut missing = Vec::new();
        for object in self.plan.objects() {
            if scout.look(object).await? == Finding::Absent {
                missing.push(object.missing());
            }
        }
        Ok(missing)
    }

    /// Its bindings. AMQP can't show whether they are there; the management API can.
    pub fn bindings(&self) -> &[Binding] {
        self.plan.bindings()
    }

    /// The policies that go with it: tuning, which may change at any time.
    pub fn policies(&self) -> Vec<Policy> {
        policy::all()
    }

    /// Names of all queues: work, then waits, then [`DEAD`].
    pub fn queues(&self) -> Vec<String> {
        self.plan.queues()
    }
}

/// How many messages and consumers `queue` has; None if it isn't there. A quorum queue whose
/// leader doesn't answer in time reads as 0.
pub async fn depth(connection: &Connection, queue: &str) -> Result<Option<Depth>, TopologyError> {
    Scout::new(connection).depth(queue).await
}
