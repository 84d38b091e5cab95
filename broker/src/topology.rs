//! Names, declaration and check of every exchange and queue.

use crate::connection::Connection;

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

/// Queue of what is to be delivered to the hospital of `site`.
pub fn his(site: &str) -> String {
    format!("epro.his.{site}")
}

/// Queue of what is to be asked of the hospital of `site`.
pub fn query(site: &str) -> String {
    format!("epro.query.{site}")
}

/// Queue that a message of `queue` comes back to after a wait: the same one, but
/// [`SUBMISSIONS_DEFERRED`] for the intake queues, which have a maximum length and would wedge a tier.
pub fn home(queue: &str) -> &str {
    match queue {
        SUBMISSIONS_URGENT | SUBMISSIONS_ROUTINE => SUBMISSIONS_DEFERRED,
        other => other,
    }
}

/// Everything that must be on the broker.
#[derive(Clone, Debug)]
pub struct Topology {
    sites: Vec<String>,
    time_scale: f64,
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

/// A policy for the management API (`PUT /api/policies/{vhost}/{name}`).
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Name of the policy.
    pub name: &'static str,
    /// Regular expression over queue names.
    pub pattern: &'static str,
    /// The higher one applies.
    pub priority: u32,
    /// Key and value; a number or a text.
    pub definition: Vec<(&'static str, Setting)>,
}

/// One value of a policy.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// A JSON number.
    Number(u64),
    /// A JSON string.
    Text(&'static str),
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
        Self { sites: sites.to_vec(), time_scale }
    }

    /// Declares what is missing. Idempotent; looks first, and changes nothing if anything differs.
    pub async fn apply(&self, connection: &Connection) -> Result<Report, TopologyError> {
        let _ = (connection, &self.sites, self.time_scale);
        unimplemented!()
    }

    /// Names what is missing, by passive declares only, so that no right to configure is needed.
    pub async fn check(&self, connection: &Connection) -> Result<Vec<Missing>, TopologyError> {
        let _ = connection;
        unimplemented!()
    }

    /// The policies that go with it: tuning, which may change at any time.
    pub fn policies(&self) -> Vec<Policy> {
        unimplemented!()
    }

    /// Names of all queues, work queues first.
    pub fn queues(&self) -> Vec<String> {
        unimplemented!()
    }
}

/// How many messages and consumers `queue` has; None if it isn't there.
pub async fn depth(connection: &Connection, queue: &str) -> Result<Option<Depth>, TopologyError> {
    let _ = (connection, queue);
    unimplemented!()
}
