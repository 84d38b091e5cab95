//! The objects of an overlay, and words for what is looked for in them.

use serde_json::Value;

/// All objects of an overlay.
#[derive(Clone, Debug)]
pub struct Objects(pub Vec<Value>);

/// The image that holds our three programs; its name ends so in every overlay.
const OURS: &str = "epro-relay";

/// `Deployment epro-console`.
pub fn name(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    format!("{} {}", text(&object["kind"]), text(&object["metadata"]["name"]))
}

/// The elements of a list, none where there is none.
pub fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Whether a selector takes what wears these labels; of expressions only `In` is known here.
pub fn matches(selector: &Value, labels: &Value) -> bool {
    let mut named = selector["matchLabels"].as_object().into_iter().flatten();
    let within = |expression: &Value| {
        let worn = &labels[expression["key"].as_str().unwrap_or_default()];
        expression["operator"] == "In" && list(&expression["values"]).any(|value| value == worn)
    };
    named.all(|(key, value)| &labels[key] == value) && list(&selector["matchExpressions"]).all(within)
}

/// What a Deployment, StatefulSet, Job or CronJob makes its pods of.
pub fn template(workload: &Value) -> &Value {
    let spec = &workload["spec"];
    if workload["kind"] == "CronJob" { &spec["jobTemplate"]["spec"]["template"] } else { &spec["template"] }
}

/// Its pod.
pub fn pod(workload: &Value) -> &Value {
    &template(workload)["spec"]
}

/// Whether its pods do one thing and end.
pub fn ends(workload: &Value) -> bool {
    ["Job", "CronJob"].iter().any(|kind| workload["kind"] == *kind)
}

/// All containers of a pod.
pub fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    list(&pod["initContainers"]).chain(list(&pod["containers"]))
}

/// Whether a container runs one of our programs.
pub fn is_ours(container: &Value) -> bool {
    let image = container["image"].as_str().unwrap_or_default();
    image.split([':', '@']).next().is_some_and(|image| image.ends_with(OURS))
        || image.rsplit('/').next().is_some_and(|last| last.split([':', '@']).next() == Some(OURS))
}

/// The program that a container of ours runs.
pub fn program(container: &Value) -> &str {
    container["command"][0].as_str().unwrap_or_default()
}

impl Objects {
    /// Those of a kind.
    pub fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.0.iter().filter(move |object| object["kind"] == kind)
    }

    /// The one of a kind with that name.
    pub fn named(&self, kind: &str, name: &Value) -> Option<&Value> {
        self.0.iter().find(|object| object["kind"] == kind && &object["metadata"]["name"] == name)
    }

    /// Whatever runs pods of ours.
    pub fn workloads(&self) -> impl Iterator<Item = &Value> {
        let runs =
            |kind: &Value| ["Deployment", "StatefulSet", "Job", "CronJob"].iter().any(|known| kind == known);
        let ours = |object: &&Value| containers(pod(object)).any(is_ours);
        self.0.iter().filter(move |object| runs(&object["kind"])).filter(ours)
    }

    /// Fewest and most replicas of a workload: by whoever scales it, or as it says itself.
    pub fn replicas(&self, workload: &Value) -> (u64, u64) {
        let scales =
            |scaler: &&Value| scaler["spec"]["scaleTargetRef"]["name"] == workload["metadata"]["name"];
        let number = |value: &Value, or: u64| value.as_u64().unwrap_or(or);
        if let Some(scaler) = self.of("HorizontalPodAutoscaler").find(scales) {
            return (number(&scaler["spec"]["minReplicas"], 1), number(&scaler["spec"]["maxReplicas"], 1));
        }
        if let Some(scaler) = self.of("ScaledObject").find(scales) {
            let spec = &scaler["spec"];
            return (number(&spec["minReplicaCount"], 0), number(&spec["maxReplicaCount"], 100));
        }
        let fixed = number(&workload["spec"]["replicas"], 1);
        (fixed, fixed)
    }
}
