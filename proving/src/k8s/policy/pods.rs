//! One pod at a time: what it may, how it is watched, how it leaves.

use serde_json::{Value, json};

use crate::door_memory::most_mib;
use crate::k8s::objects::{Objects, containers, ends, is_ours, list, name, pod};
use crate::k8s::settings::Setting;

/// The kernel takes a process away this long after its own time for leaving is over, at the earliest.
const MARGIN: f64 = 5.0;
/// How long the console takes to leave: operator/src/console/server.rs.
const CONSOLE: f64 = 10.0;

pub(super) fn check(objects: &Objects, settings: &[Setting], problems: &mut Vec<String>) {
    for workload in objects.workloads() {
        let mut say = |rule: &str| problems.push(format!("{}: {rule}", name(workload)));
        for rule in restricted(pod(workload)) {
            say(rule);
        }
        for container in containers(pod(workload)).filter(|container| is_ours(container)) {
            for rule in hardened(container) {
                say(rule);
            }
        }
        if !ends(workload) {
            if !is_spread(workload) {
                say("its pods may all be in one zone or on one node");
            }
            for container in list(&pod(workload)["containers"]) {
                for rule in watched(container) {
                    say(rule);
                }
            }
            let own = settings.iter().find(|setting| setting.workload == workload["metadata"]["name"]);
            if let Some(rule) = own.and_then(|setting| leaving(pod(workload), setting)) {
                say(&rule);
            }
            if let Some(rule) = own.and_then(|setting| outgrown(pod(workload), setting)) {
                say(&rule);
            }
        }
    }
}

/// What the Pod Security Standard `restricted` asks of a pod, and no token.
fn restricted(pod: &Value) -> Vec<&'static str> {
    let security = &pod["securityContext"];
    let rules = [
        (pod["automountServiceAccountToken"] == false, "its pods hold a service account's token"),
        (pod["serviceAccountName"].is_string(), "its pods have no service account of their own"),
        (security["runAsNonRoot"] == true, "its pods may run as root"),
        (security["runAsUser"].as_u64().is_some_and(|user| user > 0), "its pods have no user"),
        (security["seccompProfile"]["type"] == "RuntimeDefault", "its pods have no seccomp profile"),
        (
            ["hostNetwork", "hostPID", "hostIPC"].iter().all(|key| pod[key].is_null()),
            "its pods share what belongs to the node",
        ),
        (
            list(&pod["volumes"]).all(|volume| volume["hostPath"].is_null()),
            "its pods see a folder of the node",
        ),
    ];
    broken(&rules)
}

/// The same of a container, and a root file system that nobody can write to.
fn hardened(container: &Value) -> Vec<&'static str> {
    let security = &container["securityContext"];
    let resources = &container["resources"];
    let rules = [
        (security["allowPrivilegeEscalation"] == false, "a container may gain privileges"),
        (security["readOnlyRootFilesystem"] == true, "a container's root file system can be written to"),
        (security["capabilities"]["drop"] == json!(["ALL"]), "a container has capabilities"),
        (security["capabilities"]["add"].is_null(), "a container has capabilities"),
        (security["privileged"].is_null(), "a container is privileged"),
        (
            resources["limits"]["memory"].is_string()
                && resources["limits"]["memory"] == resources["requests"]["memory"],
            "a container's memory limit isn't its request",
        ),
        (resources["requests"]["cpu"].is_string(), "a container asks for no CPU"),
        (resources["limits"]["cpu"].is_null(), "a container's CPU is limited"),
    ];
    broken(&rules)
}

fn watched(container: &Value) -> Vec<&'static str> {
    let path = |probe: &str| &container[probe]["httpGet"]["path"];
    let port = container["livenessProbe"]["httpGet"]["port"].clone();
    let rules = [
        (path("livenessProbe") == "/livez", "liveness doesn't ask /livez"),
        (path("readinessProbe") == "/readyz", "readiness doesn't ask /readyz"),
        (path("startupProbe") == "/livez", "start-up doesn't ask /livez"),
        (path("livenessProbe") != path("readinessProbe"), "liveness and readiness ask the same"),
        (
            list(&container["ports"]).any(|known| known["name"] == port),
            "a probe asks a port that the container doesn't name",
        ),
    ];
    broken(&rules)
}

/// Whether its own pods are spread over zones and nodes, as far as there are any.
fn is_spread(workload: &Value) -> bool {
    let over = |key: &str| {
        list(&pod(workload)["topologySpreadConstraints"]).any(|constraint| {
            constraint["topologyKey"] == key && constraint["labelSelector"] == workload["spec"]["selector"]
        })
    };
    over("topology.kubernetes.io/zone") && over("kubernetes.io/hostname")
}

/// Whether it is killed before it has left.
fn leaving(pod: &Value, setting: &Setting) -> Option<String> {
    let drain = match setting.program.as_str() {
        "epro-producer-api" => setting.seconds("intake", "drain"),
        "epro-worker" => setting.seconds("worker", "drain"),
        _ => Some(CONSOLE),
    };
    let Some(drain) = drain else { return Some("nobody knows how long it drains".into()) };
    let rest = list(&pod["containers"])
        .filter_map(|container| container["lifecycle"]["preStop"]["sleep"]["seconds"].as_f64());
    let needed = drain + rest.fold(0.0, f64::max) + MARGIN;
    let grace = pod["terminationGracePeriodSeconds"].as_f64().unwrap_or(30.0);
    (grace < needed).then(|| format!("it is killed after {grace} s and may need {needed} s to leave"))
}

/// Whether a door takes more connections than its memory holds.
fn outgrown(pod: &Value, setting: &Setting) -> Option<String> {
    if setting.program != "epro-producer-api" {
        return None;
    }
    let Some(connections) = setting.config["intake"]["connections"].as_u64() else {
        return Some("nobody knows how many connections it takes".into());
    };
    let needed = most_mib(connections);
    let limits = list(&pod["containers"]).filter(|container| is_ours(container));
    let limit =
        limits.filter_map(|container| mib(container["resources"]["limits"]["memory"].as_str()?)).min();
    match limit {
        Some(limit) if limit >= needed => None,
        _ => Some(format!("its memory doesn't hold {connections} connections: they may need {needed} MiB")),
    }
}

/// Whole MiB of a quantity, as memory limits are written.
fn mib(quantity: &str) -> Option<u64> {
    let unit = quantity.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = quantity[..unit].parse().ok()?;
    match &quantity[unit..] {
        "Mi" => Some(number),
        "Gi" => Some(number * 1024),
        "M" => Some(number * 1_000_000 / 1_048_576),
        "G" => Some(number * 1_000_000_000 / 1_048_576),
        _ => None,
    }
}

fn broken(rules: &[(bool, &'static str)]) -> Vec<&'static str> {
    rules.iter().filter(|(holds, _)| !holds).map(|(_, rule)| *rule).collect()
}
