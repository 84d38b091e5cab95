//! Tuning: what an operator may change without declaring anything anew.

/// A policy for the management API (`PUT /api/policies/{vhost}/{name}`, `apply-to: queues`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Name of the policy.
    pub name: &'static str,
    /// Regular expression over queue names.
    pub pattern: &'static str,
    /// Of those that match a queue only the highest applies.
    pub priority: u32,
    /// Key and value.
    pub definition: Vec<(&'static str, Setting)>,
}

/// One value of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// A JSON number.
    Number(u64),
    /// A JSON string.
    Text(&'static str),
}

/// A backstop: our own attempts end long before. Never -1, which means 0 on RabbitMQ 3.10.
const RETURNS: Setting = Setting::Number(200);
/// Above this, intake is refused and says so; at 2 KB a message about 4 GB of disk.
const INTAKE: Setting = Setting::Number(2_000_000);
/// The last stop has nowhere to send a message that was given back too often: it would be gone. Frozen in the queue as
/// well, where nobody forgets it; the lower of the two counts.
pub(super) const DEAD_RETURNS: u64 = 1_000_000;
const SPREAD: (&str, Setting) = ("queue-leader-locator", Setting::Text("balanced"));

pub(super) fn all() -> Vec<Policy> {
    vec![
        Policy {
            name: "epro-intake",
            pattern: r"^epro\.submissions\.(urgent|routine)$",
            priority: 20,
            definition: vec![("delivery-limit", RETURNS), ("max-length", INTAKE), SPREAD],
        },
        Policy {
            name: "epro-dead",
            pattern: r"^epro\.dead$",
            priority: 20,
            definition: vec![("delivery-limit", Setting::Number(DEAD_RETURNS)), SPREAD],
        },
        Policy {
            name: "epro-queues",
            pattern: r"^epro\.",
            priority: 10,
            definition: vec![("delivery-limit", RETURNS), SPREAD],
        },
    ]
}
