//! The two services as the configuration names them, connected when a command first needs them.

use std::time::Duration;

use anyhow::Context as _;
use epro_broker::{BrokerUrl, Connection, Publisher, PublisherOptions, Topology};
use epro_process::config::{Config, Problem};
use epro_process::tls::client_config;
use epro_store::{DatabaseUrl, Store};
use secrecy::ExposeSecret as _;

/// Configuration that a command needs and doesn't find.
#[derive(Debug)]
pub(crate) struct Misconfigured(pub Vec<Problem>);

impl std::fmt::Display for Misconfigured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the configuration is wrong")
    }
}

impl std::error::Error for Misconfigured {}

/// RabbitMQ, PostgreSQL and the configuration.
pub(crate) struct Outside<'a> {
    pub config: &'a Config,
}

impl<'a> Outside<'a> {
    pub(crate) fn new(config: &'a Config) -> Self {
        Self { config }
    }

    /// Where the database is.
    pub(crate) fn database_url(&self) -> Result<DatabaseUrl, Misconfigured> {
        let url = self.config.postgres.url.expose_secret().parse::<DatabaseUrl>();
        let url =
            url.map_err(|error| Misconfigured(vec![Problem::new("postgres.url", error.to_string())]))?;
        if !url.is_secure() {
            return Ok(url);
        }
        let tls = client_config(&self.config.postgres.tls, "postgres.tls").map_err(Misconfigured)?;
        Ok(url.with_tls(tls))
    }

    /// The database.
    pub(crate) fn store(&self) -> anyhow::Result<Store> {
        Ok(Store::open(&self.database_url()?, 2))
    }

    /// The virtual host.
    pub(crate) fn vhost(&self) -> anyhow::Result<String> {
        Ok(self.broker_url()?.vhost().to_owned())
    }

    /// Who we are at the broker.
    pub(crate) fn broker_user(&self) -> anyhow::Result<String> {
        let url = reqwest::Url::parse(self.config.broker.url.expose_secret()).context("broker.url")?;
        Ok(if url.username().is_empty() { "guest".to_owned() } else { url.username().to_owned() })
    }

    /// Where the broker is.
    pub(crate) fn broker_url(&self) -> Result<BrokerUrl, Misconfigured> {
        let wrong = |rule: String| Misconfigured(vec![Problem::new("broker.url", rule)]);
        let url = self.config.broker.url.expose_secret().parse::<BrokerUrl>();
        let url = url.map_err(|error| wrong(error.to_string()))?;
        if !url.is_secure() {
            return Ok(url);
        }
        let tls = client_config(&self.config.broker.tls, "broker.tls").map_err(Misconfigured)?;
        url.with_tls(tls).map_err(|error| wrong(error.to_string()))
    }

    /// The broker.
    pub(crate) async fn broker(&self) -> anyhow::Result<Connection> {
        Connection::open(&self.broker_url()?, "epro").await.context("RabbitMQ")
    }

    /// A publisher and the task that drives it.
    pub(crate) fn publisher(&self) -> anyhow::Result<Publisher> {
        let (publisher, publishing) = Publisher::start(PublisherOptions {
            url: self.broker_url()?,
            name: "epro redrive".into(),
            outstanding: 64,
            confirm_timeout: Duration::from_secs(10),
        });
        epro_process::task::spawn("publisher", publishing);
        Ok(publisher)
    }

    /// The sites that have a hospital.
    pub(crate) fn hospitals(&self) -> Vec<String> {
        self.config.hospitals.keys().cloned().collect()
    }

    /// What has to be on the broker by this configuration.
    pub(crate) fn topology(&self) -> Topology {
        Topology::new(&self.hospitals(), self.config.time_scale)
    }
}
