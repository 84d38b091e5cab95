//! How many there are, and whether the rest of the world can bear so many.

use serde_json::Value;

use crate::k8s::objects::{Objects, ends, list, name};
use crate::k8s::settings::Setting;
use crate::scaling::fleet::QUEUES;

/// Where the names of queues come from.
const TOPOLOGY: &str = include_str!("../../../../broker/src/topology.rs");
/// Connections that PostgreSQL keeps for its superuser, and that people and backups take.
const RESERVED: u64 = 15;
/// Connections of a command of `epro`: operator/src/outside.rs. The console's watch and its redrives have as many each.
const COMMAND: u64 = 2;
/// What KEDA's scaler for RabbitMQ reads of a trigger.
const TRIGGER: [&str; 12] = [
    "activationValue",
    "excludeUnacknowledged",
    "host",
    "mode",
    "operation",
    "pageSize",
    "protocol",
    "queueName",
    "timeout",
    "useRegex",
    "value",
    "vhostName",
];

pub(super) fn check(objects: &Objects, settings: &[Setting], problems: &mut Vec<String>) {
    for workload in objects.workloads() {
        if let Some(problem) = disrupted(objects, workload) {
            problems.push(format!("{}: {problem}", name(workload)));
        }
    }
    for scaled in objects.of("ScaledObject") {
        let target = &scaled["spec"]["scaleTargetRef"]["name"];
        let Some(setting) = settings.iter().find(|setting| &setting.workload == target) else {
            problems.push(format!("{}: there is no {target} of ours", name(scaled)));
            continue;
        };
        let mut say = |rule: String| problems.push(format!("{}: {rule}", name(scaled)));
        bounds(&scaled["spec"]).into_iter().for_each(&mut say);
        for trigger in list(&scaled["spec"]["triggers"]) {
            depth(trigger, setting).into_iter().for_each(&mut say);
        }
        let follows = |queue: &str| {
            list(&scaled["spec"]["triggers"]).any(|trigger| trigger["metadata"]["queueName"] == queue)
        };
        for queue in QUEUES {
            if !follows(queue) {
                say(format!("it doesn't follow {queue}"));
            }
        }
        if objects.named("Deployment", target).is_some_and(|target| !target["spec"]["replicas"].is_null()) {
            say("its target has a number of replicas of its own".into());
        }
    }
    connections(objects, settings, problems);
}

/// A budget lets one go, and one is left.
fn disrupted(objects: &Objects, workload: &Value) -> Option<String> {
    let (fewest, _) = objects.replicas(workload);
    if workload["kind"] != "Deployment" || fewest < 2 {
        return None;
    }
    let labels = &workload["spec"]["selector"]["matchLabels"];
    let budget =
        objects.of("PodDisruptionBudget").find(|budget| &budget["spec"]["selector"]["matchLabels"] == labels);
    let Some(budget) = budget else { return Some("nothing bounds its disruption".into()) };
    match (budget["spec"]["maxUnavailable"].as_u64(), budget["spec"]["minAvailable"].as_u64()) {
        (Some(away), None) if (1..fewest).contains(&away) => None,
        (None, Some(there)) if there < fewest => None,
        _ => Some(format!("its budget lets none go, or all of {fewest}")),
    }
}

fn bounds(spec: &Value) -> Vec<String> {
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let (fewest, most) = (number(&spec["minReplicaCount"]), number(&spec["maxReplicaCount"]));
    let fallback = number(&spec["fallback"]["replicas"]);
    let mut problems = Vec::new();
    if fewest < 2 {
        problems.push("fewer than two may be left".to_owned());
    }
    if !(fewest..=most).contains(&fallback) {
        problems.push(format!("its fallback {fallback} isn't between {fewest} and {most}"));
    }
    // By default KEDA goes to the fallback also from above it.
    if spec["fallback"]["behavior"] != "currentReplicasIfHigher" {
        problems.push("when nobody can be asked it may take pods away".to_owned());
    }
    let slow = &spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"];
    if number(&slow["stabilizationWindowSeconds"]) < 300 {
        problems.push("it scales down after less than five minutes of calm".to_owned());
    }
    problems
}

/// A trigger looks at a queue that there is, that its target consumes, unacked included, and asks for enough.
fn depth(trigger: &Value, setting: &Setting) -> Vec<String> {
    let metadata = &trigger["metadata"];
    let text = |key: &str| metadata[key].as_str().unwrap_or_default();
    let queue = text("queueName");
    let mut problems = Vec::new();
    if trigger["type"] != "rabbitmq" || text("mode") != "QueueLength" {
        problems.push(format!("{queue} isn't followed by its depth"));
    }
    if text("vhostName").is_empty() {
        problems.push(format!("nobody says in which vhost {queue} is"));
    }
    for key in metadata.as_object().into_iter().flat_map(|all| all.keys()) {
        if !TRIGGER.contains(&key.as_str()) {
            problems.push(format!("{key} means nothing to KEDA's scaler"));
        }
    }
    if !TOPOLOGY.contains(&format!("&str = \"{queue}\";")) {
        problems.push(format!("{queue} is no queue of the topology"));
    }
    let lane = queue.split('.').nth(1).unwrap_or_default();
    if !setting.lanes().contains(&lane) {
        problems.push(format!("its target doesn't consume {queue}"));
    }
    if text("protocol") != "http" || text("excludeUnacknowledged") == "true" {
        problems.push(format!("{queue} is counted without what is unacked"));
    }
    let worker = &setting.config["worker"];
    let key = if queue.ends_with(".urgent") { "urgent_prefetch" } else { "prefetch" };
    let prefetch = worker[key].as_u64().unwrap_or(u64::MAX / 3);
    let value: u64 = text("value").parse().unwrap_or(0);
    if value < 3 * prefetch {
        problems.push(format!("{queue}: value {value} is less than 3 x {key} ({prefetch})"));
    }
    problems
}

/// All of ours at their most, while each rolls out, fit into PostgreSQL.
fn connections(objects: &Objects, settings: &[Setting], problems: &mut Vec<String>) {
    match (taken(objects, settings), max_connections(objects)) {
        (_, None) => {
            problems.push("nobody says how many connections PostgreSQL allows (max_connections)".into());
        }
        (sum, Some(most)) if sum > most => {
            problems.push(format!("at their most they take {sum} connections of PostgreSQL's {most}"));
        }
        _ => {}
    }
}

/// What all of ours take at their most, while each rolls out, and what is kept for others.
pub(super) fn taken(objects: &Objects, settings: &[Setting]) -> u64 {
    let of = |workload: &Value| {
        let own = settings.iter().filter(|setting| setting.workload == workload["metadata"]["name"]);
        let each = match ends(workload) {
            true => COMMAND,
            false => own.map(of_one).max().unwrap_or(0),
        };
        let surge = workload["spec"]["strategy"]["rollingUpdate"]["maxSurge"].as_u64().unwrap_or(0);
        each * (objects.replicas(workload).1 + surge)
    };
    RESERVED + objects.workloads().map(of).sum::<u64>()
}

/// Connections of one process, as worker/src/lanes.rs, producer-api/src/door.rs and operator/src/console/desk.rs open
/// them.
fn of_one(setting: &Setting) -> u64 {
    let pool = setting.config["postgres"]["pool_size"].as_u64().unwrap_or(u64::MAX / 1000);
    let more = |lane: &str| match lane {
        "alerts" => 4,
        "hospitals" => 1,
        "exports" => 3 * setting.config["exports"]["slots"].as_u64().unwrap_or(0) + 1,
        _ => 0,
    };
    let console = if setting.program == "epro" { 2 * COMMAND } else { 0 };
    pool + console + setting.lanes().into_iter().map(more).sum::<u64>()
}

pub(super) fn max_connections(objects: &Objects) -> Option<u64> {
    let cluster = objects.of("Cluster").find_map(|cluster| {
        cluster["spec"]["postgresql"]["parameters"]["max_connections"].as_str()?.parse().ok()
    });
    cluster.or_else(|| {
        let args =
            objects.of("StatefulSet").flat_map(|set| list(&set["spec"]["template"]["spec"]["containers"]));
        let mut args = args.flat_map(|container| list(&container["args"])).filter_map(Value::as_str);
        args.find_map(|arg| arg.strip_prefix("max_connections=")?.parse().ok())
    })
}
