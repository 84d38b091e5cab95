//! Worker processes that are started and asked to leave, as a cluster would.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::service::Service;
use crate::stack::Stack;
use crate::until;

/// The queues of submissions, in the order of the shipped rule.
pub const QUEUES: [&str; 3] =
    ["epro.submissions.routine", "epro.submissions.deferred", "epro.submissions.urgent"];
/// What is applied in a cluster.
const SHIPPED: &str = include_str!("../../../k8s/base/worker-submissions-deployment.yaml");

/// How long a pod of workers is given to leave, as it is shipped.
pub fn grace() -> Result<Duration> {
    let object: Value = serde_saphyr::from_str(SHIPPED)?;
    let seconds = object["spec"]["template"]["spec"]["terminationGracePeriodSeconds"].as_u64();
    Ok(Duration::from_secs(seconds.context("k8s/base/worker-submissions-deployment.yaml gives no grace")?))
}

/// Workers at work.
pub struct Fleet<'a> {
    stack: &'a Stack,
    grace: Duration,
    /// The oldest first.
    pub workers: Vec<Service>,
    /// How long each that left took.
    pub left: Vec<Duration>,
    /// Deliveries that those that left gave back.
    pub given_back: u64,
}

impl<'a> Fleet<'a> {
    /// Nobody yet.
    pub fn of(stack: &'a Stack) -> Result<Self> {
        Ok(Self { stack, grace: grace()?, workers: Vec::new(), left: Vec::new(), given_back: 0 })
    }

    /// One more, ready.
    pub async fn add(&mut self) -> Result<()> {
        let mut worker = self.stack.worker().await?;
        worker.ready().await?;
        self.workers.push(worker);
        Ok(())
    }

    /// SIGTERM to one, and waits for its end; an error unless it left in order and in time.
    pub async fn dismiss(&mut self, at: usize) -> Result<()> {
        let mut worker = self.workers.remove(at);
        let since = Instant::now();
        let code = worker.drain(self.grace).await?;
        ensure!(code == 0, "a worker left with {code}:\n{}", worker.output());
        self.left.push(since.elapsed());
        self.given_back += given_back(&worker.output());
        Ok(())
    }

    /// kill -9 to one.
    pub async fn kill(&mut self, at: usize) -> Result<()> {
        self.workers.remove(at).kill().await
    }

    /// Makes them so many.
    pub async fn become_(&mut self, wanted: usize) -> Result<()> {
        while self.workers.len() < wanted {
            self.add().await?;
        }
        while self.workers.len() > wanted {
            self.dismiss(self.workers.len() - 1).await?;
        }
        Ok(())
    }

    /// The slowest that left, in seconds.
    pub fn slowest(&self) -> f64 {
        self.left.iter().map(Duration::as_secs_f64).fold(0.0, f64::max)
    }
}

/// What the management API says of each queue, unacked included, as KEDA asks it.
pub async fn depths(stack: &Stack) -> Result<Vec<f64>> {
    let mut depths = Vec::new();
    for queue in QUEUES {
        depths.push(stack.vhost().messages(queue).await? as f64);
    }
    Ok(depths)
}

/// What the broker counted in the three queues since they were declared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Acks: fewer than was accepted, and its figures are not worth reading.
    pub acks: u64,
    /// Deliveries that weren't the first of their message.
    pub again: u64,
}

/// What was counted once all is drained and the figures rest.
pub async fn counted(stack: &Stack) -> Result<Counted> {
    until("the queues to be drained", Duration::from_secs(60), || async {
        Ok(depths(stack).await?.iter().all(|depth| *depth == 0.0).then_some(()))
    })
    .await?;
    let mut before = None;
    // The figures are up to 5 s old: the same twice, more than that apart, is what they are.
    loop {
        let now = figures(stack).await?;
        if before == Some(now) {
            return Ok(now);
        }
        before = Some(now);
        tokio::time::sleep(Duration::from_secs(6)).await;
    }
}

async fn figures(stack: &Stack) -> Result<Counted> {
    let mut counted = Counted::default();
    for queue in QUEUES {
        let path = format!("/api/queues/{}/{queue}", stack.vhost().name());
        let stats = stack.vhost().management().get(&path).await?["message_stats"].clone();
        let of = |key: &str| stats[key].as_u64().unwrap_or(0);
        counted.acks += of("ack");
        counted.again += of("redeliver");
    }
    Ok(counted)
}

/// What a worker says that it gave back.
fn given_back(output: &str) -> u64 {
    let lines = output.lines().filter(|line| line.contains("gave back"));
    let counts = lines.filter_map(|line| {
        let digits = line.split_once("deliveries=")?.1;
        digits.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok()
    });
    counts.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grace_is_that_of_the_shipped_pods() {
        assert!(grace().unwrap() >= Duration::from_secs(30));
    }

    #[test]
    fn what_workers_say_that_they_gave_back_is_added_up() {
        let said = "INFO gave back what was not started lane=\"a\" deliveries=3\nINFO left\n\
                    INFO gave back what was not started lane=\"b\" deliveries=14\n";
        assert_eq!(given_back(said), 17);
        assert_eq!(given_back("INFO left in order"), 0);
    }
}
