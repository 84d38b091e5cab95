//! How the broker is set up, as its management API tells.

use std::time::Duration;

use epro_broker::topology::{self, Setting};
use serde_json::Value;

use super::{Finding, permissions};
use crate::management::Management;
use crate::outside::Outside;

/// Messages of a queue that were given back as often are set aside by RabbitMQ 4 itself.
const DEFAULT_RETURNS: u64 = 20;
/// Below this the broker's disk is soon full: intake alone may hold about 4 GB.
const DISK: u64 = 5_000_000_000;
/// How long a node waits for an ack, unless a queue or its configuration says otherwise.
const NODE_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// How much longer than a chunk may be held the broker has to wait for an ack.
const MARGIN: Duration = Duration::from_secs(60);

pub(super) async fn look(outside: &Outside<'_>) -> Vec<Finding> {
    let management = match Management::of(outside) {
        Ok(Some(management)) => management,
        Ok(None) => {
            return vec![Finding::note(
                "broker.management_url is not set",
                "limits, bindings, permissions, alarms and disk of the broker are not looked at",
                "set it where epro runs, to a user with the tag monitoring",
            )];
        }
        Err(error) => return vec![unseen(&error)],
    };
    match found(outside, &management).await {
        Ok(findings) => findings,
        Err(error) => vec![unseen(&error)],
    }
}

fn unseen(error: &anyhow::Error) -> Finding {
    Finding::new(
        format!("{error:#}"),
        "limits, bindings, permissions, alarms and disk of the broker are not looked at",
        "correct broker.management_url, or give its user the tag monitoring",
    )
}

async fn found(outside: &Outside<'_>, management: &Management) -> anyhow::Result<Vec<Finding>> {
    let mut findings: Vec<Finding> = Vec::new();
    findings.extend(version(&management.seen(&["overview"]).await?.unwrap_or_default()));
    match management.seen(&["nodes"]).await? {
        Some(nodes) => findings.extend(nodes.as_array().into_iter().flatten().flat_map(node)),
        None => findings.push(Finding::note(
            "the user of broker.management_url may not look at the nodes",
            "alarms and disk of the broker are not looked at",
            "rabbitmqctl set_user_tags USER monitoring",
        )),
    }
    findings.extend(queues(outside, &management.settings().await?));
    findings.extend(bindings(outside, management).await?);
    findings.extend(permissions::look(outside, management).await?);
    Ok(findings)
}

fn version(overview: &Value) -> Option<Finding> {
    let version = overview["rabbitmq_version"].as_str()?;
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    let number = (numbers.next()?, numbers.next()?);
    let finding = format!("RabbitMQ is {version}");
    if number < (3, 10) {
        return Some(Finding::new(
            finding,
            "message TTL on quorum queues is missing before 3.10: nothing that waits would come back",
            "upgrade it; 3.10, 4.0 and 4.3 are tested",
        ));
    }
    (number < (4, 3)).then(|| {
        let consequence = if number < (4, 0) {
            "an ack that comes too late ends its channel; there is no default delivery limit; a message that an \
             orderly leave gives back counts as returned"
        } else {
            "a message that an orderly leave gives back counts as returned; our limit of 200 takes that into account"
        };
        Finding::note(finding, consequence, "nothing; from 4.3 on only failures count")
    })
}

fn node(node: &Value) -> Vec<Finding> {
    let name = node["name"].as_str().unwrap_or("?");
    let mut findings = Vec::new();
    if node["running"] == false {
        findings.push(Finding::new(
            format!("the broker's node {name} doesn't run"),
            "with the loss of one more node queues may lose their majority: then nothing is accepted",
            "bring it back",
        ));
        return findings;
    }
    for (alarm, what) in [("mem_alarm", "memory"), ("disk_free_alarm", "disk")] {
        if node[alarm] == true {
            findings.push(Finding::new(
                format!("the broker's node {name} has an alarm: {what}"),
                "publishers are blocked: the door answers 503",
                "free it: look at what waits (epro queues), and at what else runs there",
            ));
        }
    }
    let free = node["disk_free"].as_u64();
    if let Some(free) = free.filter(|free| *free < DISK && node["disk_free_alarm"] != true) {
        findings.push(Finding::note(
            format!("the broker's node {name} has {} MB of disk left", free / 1_000_000),
            "when it is used up, publishers are blocked",
            "give it more; a full intake queue alone takes about 4 GB",
        ));
    }
    findings
}

fn queues(outside: &Outside<'_>, found: &[Value]) -> Vec<Finding> {
    let hold = outside.config.scaled(outside.config.worker.hold) + MARGIN;
    let ours = outside.topology().queues();
    let ours = found.iter().filter(|queue| ours.iter().any(|name| queue["name"] == **name));
    let (mut unlimited, mut unsafe_, mut hasty) = (Vec::new(), Vec::new(), Vec::new());
    let mut last_stop = None;
    for queue in ours {
        let name = queue["name"].as_str().unwrap_or_default().to_owned();
        let (policy, arguments) = (&queue["effective_policy_definition"], &queue["arguments"]);
        let limits = (policy["delivery-limit"].as_u64(), arguments["x-delivery-limit"].as_u64());
        let limit = limits.0.into_iter().chain(limits.1).min();
        // A queue that was declared within the last seconds has no statistics, and this among them.
        let too_low = !policy.is_null() && limit.is_none_or(|limit| limit < wanted_limit(outside, &name));
        if name == topology::DEAD {
            last_stop = unfrozen(limits.1, too_low);
        } else if too_low {
            unlimited.push(name.clone());
        }
        let timeout = policy["consumer-timeout"].as_u64().or(arguments["x-consumer-timeout"].as_u64());
        if timeout.map_or(NODE_TIMEOUT, Duration::from_millis) < hold {
            hasty.push(name.clone());
        }
        let safe = arguments["x-dead-letter-strategy"] == "at-least-once"
            && arguments["x-overflow"] == "reject-publish";
        if arguments["x-queue-type"] != "quorum" || (name != topology::DEAD && !safe) {
            unsafe_.push(name);
        }
    }
    let named = |what: &str, queues: Vec<String>, consequence: &str, fix: &str| {
        (!queues.is_empty()).then(|| Finding::new(format!("{what}: {}", some(&queues)), consequence, fix))
    };
    [
        named(
            "queues without our delivery limit",
            unlimited,
            &format!("RabbitMQ 4 sets a message aside that was given back {DEFAULT_RETURNS} times, which workers that \
                restart often reach"),
            "epro topology apply, which sets the policies",
        ),
        named(
            "queues that may lose a message when it is set aside, or that aren't replicated",
            unsafe_,
            "dead-lettering isn't at least once there: a submission can be lost",
            "something else declared them: let them drain, delete them, epro topology apply",
        ),
        named(
            "queues whose ack timeout is shorter than worker.hold",
            hasty,
            "while PostgreSQL is away the broker takes consumers away from workers that hold on",
            "make worker.hold shorter, or consumer-timeout longer; where a queue has none its node's \
             consumer_timeout holds, which can't be asked and is taken for the usual 30 minutes",
        ),
        last_stop,
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A queue of an earlier version has its limit by a policy only: no argument can be added to it.
fn unfrozen(frozen: Option<u64>, too_low: bool) -> Option<Finding> {
    let limit = format!("the delivery limit of {}", topology::DEAD);
    if too_low {
        return Some(Finding::new(
            limit + " is not ours",
            "RabbitMQ 4 throws away a dead letter that was given back 20 times: nothing comes after this queue",
            "epro topology apply, which sets the policies",
        ));
    }
    frozen.is_none().then(|| {
        Finding::note(
            limit + " is only in a policy: an earlier version declared it",
            "without the policy epro-dead, RabbitMQ 4 throws away a dead letter that was given back 20 times",
            "once it is empty: rabbitmqctl delete_queue epro.dead --if-empty, then epro topology apply",
        )
    })
}

/// The least that one of our policies says for this queue.
fn wanted_limit(outside: &Outside<'_>, queue: &str) -> u64 {
    let limits = outside.topology().policies().into_iter().filter_map(|policy| {
        let limit = policy.definition.iter().find(|(key, _)| *key == "delivery-limit")?;
        match limit.1 {
            Setting::Number(number) => Some((policy.name, number)),
            Setting::Text(_) => None,
        }
    });
    let dead = queue == topology::DEAD;
    limits.filter(|(name, _)| (*name == "epro-dead") == dead).map(|(_, number)| number).min().unwrap_or(0)
}

async fn bindings(outside: &Outside<'_>, management: &Management) -> anyhow::Result<Vec<Finding>> {
    let there = management.bindings().await?;
    let topology = outside.topology();
    let missing: Vec<_> = topology.bindings().iter().filter(|wanted| !there.contains(wanted)).collect();
    let (waits, others): (Vec<_>, Vec<_>) =
        missing.into_iter().partition(|binding| binding.exchange == topology::RETURN);
    let names = |bindings: &[&topology::Binding]| {
        some(&bindings.iter().map(|binding| binding.queue.clone()).collect::<Vec<_>>())
    };
    let mut findings = Vec::new();
    if !waits.is_empty() {
        findings.push(Finding::new(
            format!("wait tiers lead nowhere for: {}", names(&waits)),
            "what waited for these queues becomes dead letters of class broker",
            "epro topology apply; then epro dead-letters redrive --class broker",
        ));
    }
    if !others.is_empty() {
        findings.push(Finding::new(
            format!("queues that aren't bound: {}", names(&others)),
            "what is published for them comes back: the door answers 503, follow-ons stay unsent",
            "epro topology apply",
        ));
    }
    Ok(findings)
}

/// The first few names.
fn some(names: &[String]) -> String {
    let shown = names.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(5) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Whether an operator has to act, and what is said.
    fn told(finding: &Finding) -> (bool, String) {
        (finding.act, format!("{}: {}", finding.finding, finding.consequence))
    }

    #[test]
    fn each_version_says_what_it_means() {
        for (version, act, words) in [
            ("3.9.13", true, "nothing that waits would come back"),
            ("3.10.8", false, "an ack that comes too late ends its channel"),
            ("4.0.5", false, "our limit of 200"),
        ] {
            let found = told(&super::version(&json!({"rabbitmq_version": version})).unwrap());
            assert!(found.0 == act && found.1.contains(version) && found.1.contains(words), "{found:?}");
        }
        assert!(super::version(&json!({"rabbitmq_version": "4.3.6"})).is_none());
        assert!(super::version(&Value::Null).is_none());
    }

    #[test]
    fn a_node_that_does_not_run_has_an_alarm_or_little_disk_is_named() {
        let well = json!({"name": "rabbit@a", "running": true, "disk_free": 50_000_000_000_u64,
            "mem_alarm": false, "disk_free_alarm": false});
        assert!(node(&well).is_empty());
        for (key, value, act, words) in [
            ("running", json!(false), true, "rabbit@a doesn't run"),
            ("mem_alarm", json!(true), true, "has an alarm: memory"),
            ("disk_free_alarm", json!(true), true, "has an alarm: disk"),
            ("disk_free", json!(1_234_000_000), false, "has 1234 MB of disk left"),
        ] {
            let mut ill = well.clone();
            ill[key] = value;
            let found: Vec<_> = node(&ill).iter().map(told).collect();
            assert!(found.len() == 1 && found[0].0 == act && found[0].1.contains(words), "{key}: {found:?}");
        }
    }
}
