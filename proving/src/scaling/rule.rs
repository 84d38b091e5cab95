//! The rule by which the fleet is scaled, as it is shipped.

use anyhow::{Context, Result};
use serde_json::Value;

/// What is applied in a cluster.
const SHIPPED: &str = include_str!("../../../k8s/components/keda/scaled-object.yaml");

/// A queue and how many of its messages are one worker's.
#[derive(Clone, Debug, PartialEq)]
pub struct Trigger {
    /// Name of the queue.
    pub queue: String,
    /// Messages, unacked included, for each worker.
    pub value: f64,
}

/// How fast the number may go one way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Seconds for which it must have been wanted.
    pub window: f64,
    /// At most so many workers
    pub pods: u32,
    /// in so many seconds.
    pub period: f64,
}

/// What a ScaledObject says.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its queues; the fullest decides.
    pub triggers: Vec<Trigger>,
    /// Never fewer.
    pub min: u32,
    /// Never more.
    pub max: u32,
    /// Upwards.
    pub up: Pace,
    /// Downwards.
    pub down: Pace,
    /// After so many failed looks in a row
    pub failures: u32,
    /// there are at least so many.
    pub fallback: u32,
}

impl Rule {
    /// The shipped one.
    pub fn shipped() -> Result<Self> {
        Self::read(&serde_saphyr::from_str(SHIPPED)?).context("k8s/components/keda/scaled-object.yaml")
    }

    fn read(object: &Value) -> Result<Self> {
        let spec = &object["spec"];
        let number = |value: &Value| value.as_f64().context("a number is missing");
        let count =
            |value: &Value| anyhow::Ok(u32::try_from(value.as_u64().context("a number is missing")?)?);
        let behavior = &spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"];
        let pace = |way: &Value| {
            let policy = &way["policies"][0];
            anyhow::ensure!(
                policy["type"] == "Pods" && way["policies"][1].is_null(),
                "one policy in pods is known here"
            );
            let window = number(&way["stabilizationWindowSeconds"])?;
            Ok(Pace { window, pods: count(&policy["value"])?, period: number(&policy["periodSeconds"])? })
        };
        anyhow::ensure!(
            spec["fallback"]["behavior"] == "currentReplicasIfHigher",
            "only a fallback that takes nobody away is known here"
        );
        let triggers = spec["triggers"].as_array().context("no triggers")?.iter().map(|trigger| {
            let text =
                |key: &str| trigger["metadata"][key].as_str().context("a trigger without queue or value");
            Ok(Trigger { queue: text("queueName")?.to_owned(), value: text("value")?.parse()? })
        });
        Ok(Self {
            triggers: triggers.collect::<Result<_>>()?,
            min: count(&spec["minReplicaCount"])?,
            max: count(&spec["maxReplicaCount"])?,
            up: pace(&behavior["scaleUp"])?,
            down: pace(&behavior["scaleDown"])?,
            failures: count(&spec["fallback"]["failureThreshold"])?,
            fallback: count(&spec["fallback"]["replicas"])?,
        })
    }

    /// The same with another value for each queue.
    #[must_use]
    pub fn valued(mut self, value: f64) -> Self {
        self.triggers.iter_mut().for_each(|trigger| trigger.value = value);
        self
    }
}
