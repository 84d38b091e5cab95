//! The task that sends spans: in batches, over HTTP, without ever holding up who made them.

use std::time::Duration;

use serde_json::Value as Json;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};
use url::Url;

use super::span::Finished;
use super::{TRACING, otlp};
use crate::config::{Problem, TlsConfig};

/// Most spans in one request.
const BATCH: usize = 512;
/// How long a span waits for others.
const EVERY: Duration = Duration::from_secs(1);
/// How long the receiver may take; what it doesn't take is lost, never waited for.
const ANSWER: Duration = Duration::from_secs(5);
/// How long the last ones may take, when the process leaves.
const FAREWELL: Duration = Duration::from_secs(2);

/// What comes to the task.
pub(super) enum Item {
    Span(Box<Finished>),
    /// Send what there is, and end.
    Finish,
}

/// The task, or none where no spans are made.
pub struct Exporter(Option<JoinHandle<()>>);

impl Exporter {
    pub(super) fn nowhere() -> Self {
        Self(None)
    }

    pub(super) fn start(
        endpoint: &Url,
        tls: &TlsConfig,
        arriving: mpsc::Receiver<Item>,
        resource: Json,
    ) -> Result<Self, Vec<Problem>> {
        let sending = Sending::new(endpoint, tls, resource)?;
        Ok(Self(Some(crate::task::spawn("traces", sending.run(arriving)))))
    }

    /// Sends what was made until now, within two seconds. To be awaited last.
    pub async fn finish(self) {
        let (Some(task), Some(tracing)) = (self.0, TRACING.get()) else { return };
        let last = async {
            if tracing.finished.send(Item::Finish).await.is_ok() {
                let _ = task.await;
            }
        };
        if timeout(FAREWELL, last).await.is_err() {
            tracing::warn!("the last spans were not sent in time");
        }
    }
}

struct Sending {
    client: reqwest::Client,
    receiver: String,
    resource: Json,
    failing: bool,
}

impl Sending {
    fn new(endpoint: &Url, tls: &TlsConfig, resource: Json) -> Result<Self, Vec<Problem>> {
        let tls = crate::tls::client_config(tls, "traces.tls")?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(ANSWER)
            .build()
            .map_err(|_| vec![Problem::new("traces", "no HTTP client can be made with it")])?;
        let receiver = format!("{}/v1/traces", endpoint.as_str().trim_end_matches('/'));
        Ok(Self { client, receiver, resource, failing: false })
    }

    async fn run(mut self, mut arriving: mpsc::Receiver<Item>) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut tick = interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                item = arriving.recv() => match item {
                    Some(Item::Span(span)) => {
                        batch.push(*span);
                        if batch.len() >= BATCH {
                            self.send(&mut batch).await;
                        }
                    }
                    Some(Item::Finish) | None => return self.send(&mut batch).await,
                },
                _ = tick.tick() => self.send(&mut batch).await,
            }
        }
    }

    async fn send(&mut self, batch: &mut Vec<Finished>) {
        if batch.is_empty() {
            return;
        }
        let request = self.client.post(&self.receiver).json(&otlp::request(&self.resource, batch));
        let trouble = match request.send().await {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(answer.status().to_string()),
            Err(error) if error.is_timeout() => Some("no answer in time".to_owned()),
            Err(_) => Some("no connection".to_owned()),
        };
        match (&trouble, self.failing) {
            (Some(trouble), false) => {
                tracing::warn!(trouble, "spans can't be sent; they are lost until they can")
            }
            (None, true) => tracing::info!("spans are sent again"),
            _ => {}
        }
        self.failing = trouble.is_some();
        let outcome = if self.failing { "failed" } else { "sent" };
        metrics::counter!("epro_spans_total", "outcome" => outcome).increment(batch.len() as u64);
        batch.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use epro_proving::TraceReceiver;
    use epro_proving::certificates::Authority;
    use epro_proving::services::host_port;
    use epro_proving::tls_front::Front;
    use tokio_rustls::TlsAcceptor;

    use super::super::Context;
    use super::super::conventions::Kind;
    use super::*;

    fn span() -> Finished {
        let now = SystemTime::now();
        Finished {
            context: Context::new(),
            parent: None,
            kind: Kind::Client,
            name: "a span".to_owned(),
            began: now,
            ended: now,
            attributes: Vec::new(),
            links: Vec::new(),
            failed: None,
        }
    }

    /// Whether a span can be sent to a receiver that shows such a certificate.
    async fn sent(receiver: &TraceReceiver, tls: TlsAcceptor, believed: &TlsConfig) -> bool {
        crate::tls::install();
        let front = Front::to(&host_port(&receiver.endpoint()).unwrap(), tls).await.unwrap();
        let endpoint = format!("https://localhost:{}", front.port()).parse().unwrap();
        let resource = otlp::resource("a test", "0");
        let mut sending = Sending::new(&endpoint, believed, resource).unwrap();
        sending.send(&mut vec![span()]).await;
        !sending.failing
    }

    #[tokio::test]
    async fn a_receiver_with_a_wrong_name_an_expired_or_an_unknown_certificate_gets_no_span() {
        let folder = std::env::temp_dir().join(format!("epro-traces-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir_all(&folder).unwrap();
        let (ours, receiver) = (Authority::new().unwrap(), TraceReceiver::start().await.unwrap());
        let believed = TlsConfig { ca_file: ours.write(&folder).ok(), ..TlsConfig::default() };
        for (what, tls) in ours.bad_servers("localhost").unwrap() {
            assert!(!sent(&receiver, tls, &believed).await, "{what}");
        }
        assert_eq!(receiver.spans().len(), 0);
        assert!(sent(&receiver, ours.server("localhost", None).unwrap(), &believed).await);
        assert_eq!(receiver.spans().len(), 1);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
