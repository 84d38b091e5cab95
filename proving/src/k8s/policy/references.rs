//! What one object calls another by is what the other is called.

use serde_json::{Map, Value};

use crate::k8s::objects::{Objects, containers, list, matches, name, pod, template};

type Labels = Map<String, Value>;

pub(super) fn check(objects: &Objects, readme: &str, problems: &mut Vec<String>) {
    for object in &objects.0 {
        for (kind, named) in wanted(object) {
            // Secrets come from outside, by the names that the README gives them.
            let outside =
                kind == "Secret" && named.as_str().is_some_and(|is| readme.contains(&format!("`{is}`")));
            if !outside && objects.named(kind, named).is_none() {
                problems.push(format!("{}: there is no {kind} {named}", name(object)));
            }
        }
        if selections(object).iter().any(|labels| !objects.0.iter().any(|other| wears(other, labels))) {
            problems.push(format!("{} selects no pod", name(object)));
        }
        if let Some(problem) = unreached(objects, object) {
            problems.push(format!("{}: {problem}", name(object)));
        }
    }
    for workload in objects.workloads() {
        let account = &pod(workload)["serviceAccountName"];
        match objects.named("ServiceAccount", account) {
            Some(account) if account["automountServiceAccountToken"] == false => {}
            Some(account) => problems.push(format!("{} hands out a token", name(account))),
            None => problems.push(format!("{}: there is no ServiceAccount {account}", name(workload))),
        }
    }
    let denies = |policy: &&Value| {
        let spec = &policy["spec"];
        spec["podSelector"].as_object().is_some_and(Map::is_empty)
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

/// Kind and name of every object that this one calls by its name.
fn wanted(object: &Value) -> Vec<(&str, &Value)> {
    let spec = &object["spec"];
    let wanted: Vec<(&str, &Value)> = match object["kind"].as_str().unwrap_or_default() {
        "Deployment" | "StatefulSet" | "Job" | "CronJob" => mounted(pod(object)),
        "HorizontalPodAutoscaler" => target(spec),
        "ScaledObject" => {
            let keys = list(&spec["triggers"]).map(|trigger| &trigger["authenticationRef"]["name"]);
            target(spec).into_iter().chain(keys.map(|named| ("TriggerAuthentication", named))).collect()
        }
        "TriggerAuthentication" => {
            list(&spec["secretTargetRef"]).map(|target| ("Secret", &target["name"])).collect()
        }
        "Ingress" => list(&spec["tls"]).map(|tls| ("Secret", &tls["secretName"])).collect(),
        "Cluster" => {
            list(&spec["managed"]["roles"]).map(|role| ("Secret", &role["passwordSecret"]["name"])).collect()
        }
        _ => Vec::new(),
    };
    wanted.into_iter().filter(|(_, named)| named.is_string()).collect()
}

/// Whom a scaler scales.
fn target(spec: &Value) -> Vec<(&str, &Value)> {
    let target = &spec["scaleTargetRef"];
    vec![(target["kind"].as_str().unwrap_or("Deployment"), &target["name"])]
}

/// ConfigMaps and Secrets that a pod wants.
fn mounted(pod: &Value) -> Vec<(&'static str, &Value)> {
    let sources = || list(&pod["volumes"]).flat_map(|volume| list(&volume["projected"]["sources"]));
    let from = containers(pod).flat_map(|container| list(&container["envFrom"]));
    let maps = sources().map(|source| &source["configMap"]["name"]);
    let maps = maps.chain(from.map(|from| &from["configMapRef"]["name"])).map(|named| ("ConfigMap", named));
    let secrets = sources().map(|source| ("Secret", &source["secret"]["name"]));
    maps.chain(secrets).collect()
}

/// The labels that an object wants pods to wear: together those of `matchLabels`, and each value of an expression.
fn selections(object: &Value) -> Vec<Labels> {
    let spec = &object["spec"];
    let selector = match object["kind"].as_str() {
        Some("Service") => return spec["selector"].as_object().cloned().into_iter().collect(),
        Some("NetworkPolicy") => &spec["podSelector"],
        Some("PodDisruptionBudget") => &spec["selector"],
        _ => return Vec::new(),
    };
    let each = list(&selector["matchExpressions"]).flat_map(|expression| {
        let key = expression["key"].as_str().unwrap_or_default();
        list(&expression["values"]).map(move |value| Labels::from_iter([(key.to_owned(), value.clone())]))
    });
    selector["matchLabels"].as_object().cloned().into_iter().chain(each).collect()
}

/// Whether the pods of an object wear the labels; those of an operator's cluster wear its name.
fn wears(object: &Value, labels: &Labels) -> bool {
    let operated = ["RabbitmqCluster", "Cluster"].iter().any(|kind| object["kind"] == *kind);
    let worn = &template(object)["metadata"]["labels"];
    labels.iter().all(|(key, value)| match operated {
        true => &object["metadata"]["name"] == value,
        false => &worn[key] == value,
    })
}

/// A Service's port that an Ingress or a ServiceMonitor wants and nobody has.
fn unreached(objects: &Objects, object: &Value) -> Option<String> {
    let spec = &object["spec"];
    let has = |service: &Value, port: &Value| {
        let is_it = |has: &Value| &has["name"] == port || &has["port"] == port;
        !port.is_null() && list(&service["spec"]["ports"]).any(is_it)
    };
    match object["kind"].as_str()? {
        "Ingress" => {
            let paths = list(&spec["rules"]).flat_map(|rule| list(&rule["http"]["paths"]));
            let mut backends = paths.map(|path| &path["backend"]["service"]);
            let lost = backends.find(|backend| {
                let (name, number) = (&backend["port"]["name"], &backend["port"]["number"]);
                let service = objects.named("Service", &backend["name"]);
                !service.is_some_and(|service| has(service, name) || has(service, number))
            })?;
            Some(format!("there is no Service {} with port {}", lost["name"], lost["port"]))
        }
        "ServiceMonitor" => {
            let labels = |service: &&Value| matches(&spec["selector"], &service["metadata"]["labels"]);
            let services: Vec<&Value> = objects.of("Service").filter(labels).collect();
            let lost = list(&spec["endpoints"])
                .find(|endpoint| !services.iter().any(|service| has(service, &endpoint["port"])))?;
            Some(format!("there is no Service of its labels with port {}", lost["port"]))
        }
        _ => None,
    }
}
