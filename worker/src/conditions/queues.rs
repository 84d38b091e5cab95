//! What the broker says that operators should know: a queue that nobody consumes, or that isn't there.

use std::time::Duration;

use epro_broker::topology::{self, Depth};
use epro_broker::{BrokerUrl, Connection};
use epro_process::config::Lane;
use epro_store::conditions::Observation;
use epro_store::pause::Pause;

/// How long the broker may take to answer for all queues.
const ANSWER: Duration = Duration::from_secs(10);

/// What lies here is stored at once, or something is wrong; what is deferred waits on purpose.
const STORED: [&str; 2] = [topology::SUBMISSIONS_URGENT, topology::SUBMISSIONS_ROUTINE];

/// A connection to ask the broker for the queues.
pub(crate) struct Queues {
    url: BrokerUrl,
    /// The lanes of this process: each has a consumer here, or something is wrong.
    own: Vec<&'static str>,
    connection: Option<Connection>,
}

impl Queues {
    /// For a process that runs these lanes.
    pub(crate) fn new(url: BrokerUrl, lanes: &[Lane]) -> Self {
        let runs = |lane: &&str| lanes.iter().any(|kind| kind.has(lane));
        let own = topology::CONSUMED.iter().map(|(lane, _)| *lane).filter(runs);
        Self { url, own: own.collect(), connection: None }
    }

    /// Looks at each of them; a lane that is paused needs no consumer, one of other processes only if
    /// something waits for it. `late`: what waits to be stored has waited for too long.
    pub(crate) async fn look(&mut self, pauses: &[Pause], late: bool) -> Vec<Observation> {
        match tokio::time::timeout(ANSWER, self.depths()).await {
            Ok(Some(depths)) => depths
                .into_iter()
                .filter(|(lane, ..)| !pauses.iter().any(|pause| pause.stops_lane(lane)))
                .filter_map(|(lane, queue, depth)| judge(queue, depth, self.own.contains(&lane), late))
                .collect(),
            _ => {
                self.connection = None;
                let detail = "nothing is accepted, stored or delivered until it answers".to_owned();
                vec![observation("broker-away", "rabbitmq", detail, 1)]
            }
        }
    }

    async fn depths(&mut self) -> Option<Vec<(&'static str, &'static str, Option<Depth>)>> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(&self.url, "epro-worker conditions").await.ok()?,
        };
        let mut depths = Vec::with_capacity(topology::CONSUMED.len());
        for (lane, queue) in topology::CONSUMED {
            depths.push((lane, queue, topology::depth(&connection, queue).await.ok()?));
        }
        self.connection = Some(connection);
        Some(depths)
    }
}

fn judge(queue: &str, depth: Option<Depth>, own: bool, late: bool) -> Option<Observation> {
    match depth {
        None => {
            let detail = "the queue is missing: epro topology apply".to_owned();
            Some(observation("queue-missing", queue, detail, 1))
        }
        Some(depth) if depth.consumers == 0 && (own || depth.ready > 0) => {
            let detail = format!("nobody consumes it, {} messages wait", depth.ready);
            Some(observation("lane-without-consumer", queue, detail, i64::from(depth.ready)))
        }
        Some(depth) if late && depth.ready > 0 && STORED.contains(&queue) => {
            let detail = format!("{} messages wait, the oldest for too long", depth.ready);
            Some(observation("submission-overdue", queue, detail, i64::from(depth.ready)))
        }
        Some(_) => None,
    }
}

fn observation(kind: &str, key: &str, detail: String, count: i64) -> Observation {
    Observation { kind: kind.to_owned(), key: key.to_owned(), detail, count }
}
