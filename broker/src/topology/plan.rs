//! What must be on the broker, as data.

use lapin::{
    ExchangeKind,
    types::{AMQPValue, FieldTable},
};

use super::policy::DEAD_RETURNS;
use super::{
    ALERTS, COMMANDS, DEAD, EXPORTS, Missing, RETURN, RISK, SUBMISSIONS_DEFERRED, SUBMISSIONS_ROUTINE,
    SUBMISSIONS_URGENT, WORK, his, home, query,
};
use crate::wait::Tier;

/// An exchange or queue with its frozen arguments.
#[derive(Clone, Debug)]
pub(super) enum Object {
    Exchange {
        name: String,
        kind: ExchangeKind,
        arguments: FieldTable,
    },
    /// `older`: the arguments that an earlier version gave it. A queue that has those stays as it is, since none can be
    /// added to it.
    Queue {
        name: String,
        arguments: FieldTable,
        older: Option<FieldTable>,
    },
}

/// A queue bound to an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Name of the queue.
    pub queue: String,
    /// Name of the exchange.
    pub exchange: String,
    /// The routing key.
    pub key: String,
}

impl std::fmt::Display for Binding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "binding of {} to {}", self.queue, self.exchange)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Plan {
    objects: Vec<Object>,
    bindings: Vec<Binding>,
}

impl Object {
    pub(super) fn missing(&self) -> Missing {
        match self {
            Self::Exchange { name, .. } => Missing::Exchange(name.clone()),
            Self::Queue { name, .. } => Missing::Queue(name.clone()),
        }
    }

    /// The same as an earlier version declared it, if that was otherwise.
    pub(super) fn older(&self) -> Option<Self> {
        match self {
            Self::Queue { name, older: Some(older), .. } => {
                Some(Self::Queue { name: name.clone(), arguments: older.clone(), older: None })
            }
            Self::Queue { .. } | Self::Exchange { .. } => None,
        }
    }
}

impl Plan {
    pub(super) fn new(sites: &[String], time_scale: f64) -> Self {
        let mut plan = Self { objects: Vec::new(), bindings: Vec::new() };
        plan.exchanges();
        for queue in work_queues(sites) {
            plan.work_queue(&queue);
        }
        for tier in Tier::ALL {
            plan.wait_queue(tier, time_scale);
        }
        plan.last_stop();
        plan
    }

    pub(super) fn objects(&self) -> &[Object] {
        &self.objects
    }

    pub(super) fn bindings(&self) -> &[Binding] {
        &self.bindings
    }

    pub(super) fn queues(&self) -> Vec<String> {
        let name = |object: &Object| match object {
            Object::Queue { name, .. } => Some(name.clone()),
            Object::Exchange { .. } => None,
        };
        self.objects.iter().filter_map(name).collect()
    }

    fn exchanges(&mut self) {
        self.exchange(DEAD, ExchangeKind::Fanout, []);
        self.exchange(WORK, ExchangeKind::Direct, []);
        // A message whose queue was deleted while it waited must not hold up its tier.
        self.exchange(RETURN, ExchangeKind::Direct, [text("alternate-exchange", DEAD)]);
        for tier in Tier::ALL {
            self.exchange(tier.exchange(), ExchangeKind::Fanout, []);
        }
    }

    fn work_queue(&mut self, name: &str) {
        self.queue(name, safe(DEAD));
        self.bind(name, WORK, name);
        if home(name) == name {
            self.bind(name, RETURN, name);
        }
    }

    /// One fixed time a queue, because only the head of a queue expires. No dead-letter routing
    /// key: the message keeps its own, which is the name of its work queue.
    fn wait_queue(&mut self, tier: Tier, time_scale: f64) {
        let name = tier.exchange();
        let milliseconds = (tier.duration().as_secs_f64() * 1000.0 * time_scale).round().max(1.0);
        #[allow(clippy::cast_possible_truncation, reason = "saturates; a tier is hours at most")]
        let time = ("x-message-ttl", AMQPValue::LongLongInt(milliseconds as i64));
        self.queue(name, safe(RETURN).into_iter().chain([time]));
        self.bind(name, name, "");
    }

    /// Terminal: there is nothing to dead-letter into, and RabbitMQ 4 throws away what was given back 20 times, unless
    /// the queue itself says otherwise.
    fn last_stop(&mut self) {
        let older = table([text("x-queue-type", "quorum")]);
        let mut arguments = older.clone();
        arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(DEAD_RETURNS.cast_signed()));
        self.objects.push(Object::Queue { name: DEAD.to_owned(), arguments, older: Some(older) });
        self.bind(DEAD, DEAD, "");
    }

    fn exchange<const N: usize>(&mut self, name: &str, kind: ExchangeKind, arguments: [Argument; N]) {
        self.objects.push(Object::Exchange { name: name.to_owned(), kind, arguments: table(arguments) });
    }

    fn queue(&mut self, name: &str, arguments: impl IntoIterator<Item = Argument>) {
        self.objects.push(Object::Queue { name: name.to_owned(), arguments: table(arguments), older: None });
    }

    fn bind(&mut self, queue: &str, exchange: &str, key: &str) {
        let (queue, exchange, key) = (queue.to_owned(), exchange.to_owned(), key.to_owned());
        self.bindings.push(Binding { queue, exchange, key });
    }
}

type Argument = (&'static str, AMQPValue);

fn text(name: &'static str, value: &str) -> Argument {
    (name, AMQPValue::LongString(value.into()))
}

/// Replicated, and a message leaves only once the dead-letter target has it. Without
/// `reject-publish` the broker would fall back to at most once, silently.
fn safe(dead_letters_to: &str) -> [Argument; 4] {
    [
        text("x-queue-type", "quorum"),
        text("x-dead-letter-exchange", dead_letters_to),
        text("x-dead-letter-strategy", "at-least-once"),
        text("x-overflow", "reject-publish"),
    ]
}

fn table(arguments: impl IntoIterator<Item = Argument>) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        table.insert(name.into(), value);
    }
    table
}

fn work_queues(sites: &[String]) -> Vec<String> {
    let shared =
        [SUBMISSIONS_URGENT, SUBMISSIONS_ROUTINE, SUBMISSIONS_DEFERRED, ALERTS, COMMANDS, RISK, EXPORTS];
    let of_sites = sites.iter().flat_map(|site| [his(site), query(site)]);
    shared.into_iter().map(str::to_owned).chain(of_sites).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan::new(&["H001".to_owned()], 0.5)
    }

    fn keys_of(exchange: &str) -> Vec<String> {
        plan().bindings.into_iter().filter(|b| b.exchange == exchange).map(|b| b.key).collect()
    }

    #[test]
    fn no_queue_with_a_maximum_length_is_behind_a_wait_tier() {
        let bound = keys_of(RETURN);
        assert!(!bound.contains(&SUBMISSIONS_URGENT.to_owned()));
        assert!(!bound.contains(&SUBMISSIONS_ROUTINE.to_owned()));
        for queue in keys_of(WORK) {
            assert!(bound.contains(&home(&queue).to_owned()), "{queue} can come back");
        }
    }

    #[test]
    fn a_time_scale_shrinks_every_tier() {
        let arguments = |tier: Tier| {
            let found = plan().objects.into_iter().find_map(|object| match object {
                Object::Queue { name, arguments, .. } if name == tier.exchange() => Some(arguments),
                _ => None,
            });
            found.unwrap().inner().get("x-message-ttl").cloned()
        };
        assert_eq!(arguments(Tier::S5), Some(AMQPValue::LongLongInt(2500)));
        assert_eq!(arguments(Tier::H6), Some(AMQPValue::LongLongInt(10_800_000)));
    }

    #[test]
    fn every_queue_is_a_quorum_queue_and_only_the_last_stop_has_no_way_on() {
        for object in plan().objects {
            if let Object::Queue { name, arguments, .. } = object {
                let has = |key| arguments.contains_key(key);
                assert!(has("x-queue-type"), "{name}");
                assert_eq!(has("x-dead-letter-exchange"), name != DEAD, "{name}");
                assert_eq!(has("x-dead-letter-strategy"), name != DEAD, "{name}");
                // Elsewhere too low a limit sets a message aside, and a policy may change it.
                assert_eq!(has("x-delivery-limit"), name == DEAD, "{name}");
            }
        }
    }
}
