//! What the broker says that operators should know: a queue that nobody consumes, or that isn't there.

use std::time::Duration;

use epro_broker::topology::{self, Depth};
use epro_broker::{BrokerUrl, Connection, Topology};
use epro_process::config::Lane;
use epro_store::conditions::Observation;
use epro_store::pause::Pause;

/// How long the broker may take to answer for all queues.
const ANSWER: Duration = Duration::from_secs(10);

/// What lies here is stored at once, or something is wrong; what is deferred waits on purpose.
const STORED: [&str; 2] = [topology::SUBMISSIONS_URGENT, topology::SUBMISSIONS_ROUTINE];

/// A queue that somebody has to consume.
#[derive(Clone)]
struct Watched {
    queue: String,
    of: Of,
    /// A lane of this process: it has a consumer here, or something is wrong.
    own: bool,
}

#[derive(Clone)]
enum Of {
    Lane(&'static str),
    /// The hospital of a site: consumed while somebody holds its lease.
    Hospital(String),
}

impl Watched {
    fn is_paused(&self, pauses: &[Pause]) -> bool {
        pauses.iter().any(|pause| match &self.of {
            Of::Lane(lane) => pause.stops_lane(lane),
            Of::Hospital(site) => pause.stops_hospital(site),
        })
    }
}

/// A connection to ask the broker for the queues.
pub(crate) struct Queues {
    url: BrokerUrl,
    watched: Vec<Watched>,
    connection: Option<Connection>,
    /// All queues that there are, those of the wait tiers and the hospitals included.
    all: Vec<String>,
}

impl Queues {
    /// For a process that runs these lanes, and the hospitals of these sites.
    pub(crate) fn new<'a>(
        url: BrokerUrl,
        lanes: &[Lane],
        sites: impl IntoIterator<Item = &'a String>,
    ) -> Self {
        let sites: Vec<&String> = sites.into_iter().collect();
        let names: Vec<String> = sites.iter().map(|site| (*site).clone()).collect();
        let all = Topology::new(&names, 1.0).queues();
        let own = |lane: &str| lanes.iter().any(|kind| kind.has(lane));
        let lanes = topology::CONSUMED.iter().map(|&(lane, queue)| Watched {
            queue: queue.to_owned(),
            of: Of::Lane(lane),
            own: own(lane),
        });
        let hospitals = sites.into_iter().flat_map(|site| {
            [topology::his(site), topology::query(site)].map(|queue| Watched {
                queue,
                of: Of::Hospital(site.clone()),
                own: false,
            })
        });
        let watched = lanes.chain(hospitals).collect();
        Self { url, watched, connection: None, all }
    }

    /// Measures every queue. What the broker doesn't tell now stays as it was.
    pub(crate) async fn measure(&self) {
        let Some(connection) = &self.connection else { return };
        let measured = async {
            for queue in &self.all {
                match topology::depth(connection, queue).await {
                    Ok(Some(depth)) => gauge(queue, f64::from(depth.ready), f64::from(depth.consumers)),
                    Ok(None) => gauge(queue, f64::NAN, f64::NAN),
                    Err(_) => return,
                }
            }
        };
        if tokio::time::timeout(ANSWER, measured).await.is_err() {
            tracing::debug!("the broker takes long to tell how full its queues are");
        }
    }

    /// Another replica tells from now on.
    pub(crate) fn not_looking(&self) {
        for queue in &self.all {
            gauge(queue, f64::NAN, f64::NAN);
        }
    }

    /// Looks at each of them; what is paused needs no consumer, what is another process's only if something waits for
    /// it. `late`: what waits to be stored has waited for too long.
    pub(crate) async fn look(&mut self, pauses: &[Pause], late: bool) -> Vec<Observation> {
        match tokio::time::timeout(ANSWER, self.depths(pauses)).await {
            Ok(Some(depths)) => depths
                .into_iter()
                .filter_map(|(watched, depth)| judge(&watched.queue, depth, watched.own, late))
                .collect(),
            _ => {
                self.connection = None;
                let detail = "nothing is accepted, stored or delivered until it answers".to_owned();
                vec![observation("broker-away", "rabbitmq", detail, 1)]
            }
        }
    }

    async fn depths(&mut self, pauses: &[Pause]) -> Option<Vec<(Watched, Option<Depth>)>> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(&self.url, "epro-worker conditions").await.ok()?,
        };
        let mut depths = Vec::with_capacity(self.watched.len());
        for watched in self.watched.iter().filter(|watched| !watched.is_paused(pauses)) {
            depths.push((watched.clone(), topology::depth(&connection, &watched.queue).await.ok()?));
        }
        self.connection = Some(connection);
        Some(depths)
    }
}

fn gauge(queue: &str, ready: f64, consumers: f64) {
    metrics::gauge!("epro_queue_ready", "queue" => queue.to_owned()).set(ready);
    metrics::gauge!("epro_queue_consumers", "queue" => queue.to_owned()).set(consumers);
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
