//! RabbitMQ's management API: policies, bindings and rates, which AMQP can't set or show.

use std::time::Duration;

use anyhow::Context as _;
use epro_process::tls::client_config;
use reqwest::{Client, Response, Url};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::outside::{Misconfigured, Outside};
use epro_broker::topology::{Binding, Policy};

/// The management API as the configuration names it.
pub(crate) struct Management {
    client: Client,
    base: Url,
    vhost: String,
}

impl Management {
    /// `None` where none is configured.
    pub(crate) fn of(outside: &Outside<'_>) -> anyhow::Result<Option<Self>> {
        let Some(url) = &outside.config.broker.management_url else { return Ok(None) };
        let base = Url::parse(url.expose_secret()).context("broker.management_url")?;
        let mut client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(Duration::from_secs(10));
        if base.scheme() == "https" {
            let tls = client_config(&outside.config.broker.tls, "broker.tls").map_err(Misconfigured)?;
            client = client.tls_backend_preconfigured(tls);
        }
        let client = client.build()?;
        Ok(Some(Self { client, base, vhost: outside.vhost()? }))
    }

    /// Who asks.
    pub(crate) fn user(&self) -> &str {
        self.base.username()
    }

    /// Sets a policy.
    pub(crate) async fn set(&self, policy: &Policy, definition: &Value) -> anyhow::Result<()> {
        let body = json!({
            "pattern": policy.pattern,
            "priority": policy.priority,
            "apply-to": "queues",
            "definition": definition,
        });
        let put = self.client.put(self.at(&["policies", &self.vhost, policy.name])?).json(&body);
        told(put.send().await, "a policy").await?;
        Ok(())
    }

    /// Every binding of a queue to an exchange.
    pub(crate) async fn bindings(&self) -> anyhow::Result<Vec<Binding>> {
        let answer =
            told(self.client.get(self.at(&["bindings", &self.vhost])?).send().await, "bindings").await?;
        let bindings: Vec<Value> =
            answer.json().await.map_err(reqwest::Error::without_url).context("the management API")?;
        let text = |binding: &Value, key: &str| binding[key].as_str().unwrap_or_default().to_owned();
        Ok(bindings
            .iter()
            .map(|binding| Binding {
                queue: text(binding, "destination"),
                exchange: text(binding, "source"),
                key: text(binding, "routing_key"),
            })
            .collect())
    }

    /// What the broker counts of every queue.
    pub(crate) async fn queues(&self) -> anyhow::Result<Vec<Counted>> {
        let mut at = self.at(&["queues", &self.vhost])?;
        at.query_pairs_mut().append_pair(
            "columns",
            "name,messages_ready,messages_unacknowledged,consumers,message_stats.publish_details.rate,\
             message_stats.ack_details.rate",
        );
        let answer = told(self.client.get(at).send().await, "queues").await?;
        let queues: Vec<Value> =
            answer.json().await.map_err(reqwest::Error::without_url).context("the management API")?;
        Ok(queues.iter().map(Counted::of).collect())
    }

    /// Type, arguments and policy of every queue.
    pub(crate) async fn settings(&self) -> anyhow::Result<Vec<Value>> {
        let mut at = self.at(&["queues", &self.vhost])?;
        at.query_pairs_mut().append_pair("columns", "name,arguments,effective_policy_definition");
        let answer = told(self.client.get(at).send().await, "queues").await?;
        answer.json().await.map_err(reqwest::Error::without_url).context("the management API")
    }

    /// What stands there; `None` if our user may not see it, or nothing does.
    pub(crate) async fn seen(&self, path: &[&str]) -> anyhow::Result<Option<Value>> {
        let answer = self.client.get(self.at(path)?).send().await;
        let answer = answer.map_err(reqwest::Error::without_url).context("the management API")?;
        if matches!(answer.status().as_u16(), 401 | 403 | 404) && path != ["overview"] {
            return Ok(None);
        }
        let answer = told(Ok(answer), path.first().copied().unwrap_or_default()).await?;
        let value = answer.json().await.map_err(reqwest::Error::without_url).context("the management API")?;
        Ok(Some(value))
    }

    fn at(&self, path: &[&str]) -> anyhow::Result<Url> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| anyhow::anyhow!("broker.management_url can't hold a path"))?
            .pop_if_empty()
            .push("api")
            .extend(path);
        Ok(url)
    }
}

/// A queue as the management API counts it, a few seconds late. One that was declared a moment ago isn't counted yet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Counted {
    pub name: String,
    pub ready: Option<u64>,
    pub unacked: Option<u64>,
    pub consumers: Option<u64>,
    /// Published a second.
    pub in_rate: Option<f64>,
    /// Acked a second.
    pub out_rate: Option<f64>,
}

impl Counted {
    fn of(queue: &Value) -> Self {
        let count = |key: &str| queue[key].as_u64();
        let ready = count("messages_ready");
        // Of a queue that is counted and never had such a message the rate is left out.
        let rate =
            |key: &str| ready.map(|_| queue["message_stats"][key]["rate"].as_f64().unwrap_or_default());
        Self {
            name: queue["name"].as_str().unwrap_or_default().to_owned(),
            ready,
            unacked: count("messages_unacknowledged"),
            consumers: count("consumers"),
            in_rate: rate("publish_details"),
            out_rate: rate("ack_details"),
        }
    }
}

/// The client takes user and password out of the URL; an error must not show what is left of it.
async fn told(answer: reqwest::Result<Response>, what: &str) -> anyhow::Result<Response> {
    let answer = answer.map_err(reqwest::Error::without_url).context("the management API")?;
    let status = answer.status();
    anyhow::ensure!(status.is_success(), "the management API refuses {what}: {status}");
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_is_not_counted_yet_has_no_figures_and_one_without_traffic_has_none_a_second() {
        let new = Counted::of(&json!({"name": "epro.alerts"}));
        assert_eq!((new.ready, new.unacked, new.consumers), (None, None, None));
        assert_eq!((new.in_rate, new.out_rate), (None, None));
        let counts = json!({"name": "q", "messages_ready": 3, "messages_unacknowledged": 1, "consumers": 2});
        let quiet = Counted::of(&counts);
        assert_eq!((quiet.ready, quiet.unacked, quiet.consumers), (Some(3), Some(1), Some(2)));
        assert_eq!((quiet.in_rate, quiet.out_rate), (Some(0.0), Some(0.0)));
        let mut busy = counts;
        busy["message_stats"] = json!({"publish_details": {"rate": 5.5}});
        assert_eq!((Counted::of(&busy).in_rate, Counted::of(&busy).out_rate), (Some(5.5), Some(0.0)));
    }
}
