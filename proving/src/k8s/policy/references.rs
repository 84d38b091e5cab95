//! What one object calls another by is what the other is called.

use serde_json::Value;

use crate::k8s::objects::{Objects, containers, list, name, pod};

pub(super) fn check(objects: &Objects, readme: &str, problems: &mut Vec<String>) {
    for workload in objects.workloads() {
        for (kind, named) in mounted(pod(workload)) {
            let known = objects.named(kind, named).is_some()
                || kind == "Secret"
                    && named.as_str().is_some_and(|named| readme.contains(&format!("`{named}`")));
            if !known {
                problems.push(format!("{}: there is no {kind} {named}", name(workload)));
            }
        }
        let account = &pod(workload)["serviceAccountName"];
        match objects.named("ServiceAccount", account) {
            Some(account) if account["automountServiceAccountToken"] == false => {}
            Some(account) => problems.push(format!("{} hands out a token", name(account))),
            None => problems.push(format!("{}: there is no ServiceAccount {account}", name(workload))),
        }
    }
    for kind in ["Service", "PodDisruptionBudget", "NetworkPolicy"] {
        for selecting in objects.of(kind) {
            if selects(selecting).is_some_and(|labels| !objects.0.iter().any(|object| wears(object, labels)))
            {
                problems.push(format!("{} selects no pod", name(selecting)));
            }
        }
    }
    let denies = |policy: &&Value| {
        let spec = &policy["spec"];
        spec["podSelector"].as_object().is_some_and(serde_json::Map::is_empty)
            && spec["ingress"].is_null()
            && spec["egress"].is_null()
            && list(&spec["policyTypes"]).count() == 2
    };
    if !objects.of("NetworkPolicy").any(|policy| denies(&policy)) {
        problems.push("no NetworkPolicy denies what nobody allowed".into());
    }
    for namespace in objects.of("Namespace") {
        if namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] != "restricted" {
            problems.push(format!("{} takes pods that aren't restricted", name(namespace)));
        }
    }
}

/// ConfigMaps and Secrets that a pod wants.
fn mounted(pod: &Value) -> Vec<(&'static str, &Value)> {
    let sources = || list(&pod["volumes"]).flat_map(|volume| list(&volume["projected"]["sources"]));
    let from = containers(pod).flat_map(|container| list(&container["envFrom"]));
    let maps = sources().map(|source| &source["configMap"]["name"]);
    let maps = maps.chain(from.map(|from| &from["configMapRef"]["name"])).map(|named| ("ConfigMap", named));
    let secrets = sources().map(|source| ("Secret", &source["secret"]["name"]));
    maps.chain(secrets).filter(|(_, named)| named.is_string()).collect()
}

/// The labels that a selector wants; `None` where it takes all, or is written as expressions.
fn selects(object: &Value) -> Option<&serde_json::Map<String, Value>> {
    let spec = &object["spec"];
    let selector = match object["kind"].as_str() {
        Some("Service") => &spec["selector"],
        Some("NetworkPolicy") => &spec["podSelector"]["matchLabels"],
        _ => &spec["selector"]["matchLabels"],
    };
    selector.as_object()
}

/// Whether the pods of an object wear the labels; those of an operator's cluster wear its name.
fn wears(object: &Value, labels: &serde_json::Map<String, Value>) -> bool {
    let operated = ["RabbitmqCluster", "Cluster"].iter().any(|kind| object["kind"] == *kind);
    let worn = &object["spec"]["template"]["metadata"]["labels"];
    labels.iter().all(|(key, value)| match operated {
        true => &object["metadata"]["name"] == value,
        false => &worn[key] == value,
    })
}
