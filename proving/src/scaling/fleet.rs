//! Worker processes that are started and asked to leave, as a cluster would.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::service::Service;
use crate::stack::Stack;
use crate::until;

/// The queues of submissions, in the order of the shipped rule.
pub const QUEUES: [&str; 3] =
    ["epro.submissions.routine", "epro.submissions.deferred", "epro.submissions.urgent"];
/// How long a pod of `k8s/base/worker-submissions-deployment.yaml` is given to leave.
pub const GRACE: Duration = Duration::from_secs(90);

/// Workers at work.
pub struct Fleet<'a> {
    stack: &'a Stack,
    /// The oldest first.
    pub workers: Vec<Service>,
    /// How long each that left took.
    pub left: Vec<Duration>,
    /// Deliveries that those that left gave back.
    pub given_back: u64,
}

impl<'a> Fleet<'a> {
    /// Nobody yet.
    pub fn of(stack: &'a Stack) -> Self {
        Self { stack, workers: Vec::new(), left: Vec::new(), given_back: 0 }
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
        let code = worker.drain(GRACE).await?;
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

/// Deliveries of the routine queue that the broker had handed out before, once its figures rest.
pub async fn redelivered(stack: &Stack) -> Result<u64> {
    let mut before = None;
    until("the broker's figures to rest", Duration::from_secs(60), || async {
        let path = format!("/api/queues/{}/{}", stack.vhost().name(), QUEUES[0]);
        let found = stack.vhost().management().get(&path).await?;
        let stats = &found["message_stats"];
        let acked = stats["ack"].as_u64().context("no statistics yet")?;
        ensure!(found["messages"] == 0, "not drained yet");
        Ok(Some((acked, stats["redeliver"].as_u64().unwrap_or(0))))
    })
    .await?;
    // The figures are up to 5 s old: the same twice, more than that apart, is what they are.
    loop {
        let path = format!("/api/queues/{}/{}", stack.vhost().name(), QUEUES[0]);
        let stats = stack.vhost().management().get(&path).await?["message_stats"].clone();
        let now = (stats["ack"].as_u64(), stats["redeliver"].as_u64().unwrap_or(0));
        if before == Some(now) {
            return Ok(now.1);
        }
        before = Some(now);
        tokio::time::sleep(Duration::from_secs(6)).await;
    }
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
