//! How many workers a queue gets: the arithmetic of KEDA and of Kubernetes' HorizontalPodAutoscaler as a pure
//! function, fed with the rule that `k8s/components/keda/scaled-object.yaml` ships.
//!
//! | module | |
//! |---|---|
//! | [`rule`] | the shipped rule |
//! | [`autoscaler`] | depth and present replicas in, wanted replicas out |
//! | [`simulation`] | a queue, a fleet and the autoscaler in a closed loop |
//! | [`scenarios`] | four bad hours |
//! | [`plot`] | them as SVG |
//! | [`live`] | the same arithmetic on real processes and a real queue |
//! | [`restarts`] | workers and doors that are replaced under load |

pub mod apps;
pub mod autoscaler;
pub mod fleet;
pub mod live;
pub mod plot;
pub mod restarts;
pub mod rule;
pub mod scenarios;
pub mod simulation;

pub use autoscaler::Autoscaler;
pub use rule::Rule;
