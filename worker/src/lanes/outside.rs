//! Where RabbitMQ and PostgreSQL are.

use epro_broker::BrokerUrl;
use epro_process::config::{Config, Problem};
use epro_process::tls;
use epro_store::DatabaseUrl;
use secrecy::ExposeSecret as _;

/// Where the two services are.
pub(crate) struct Outside {
    pub(super) broker: BrokerUrl,
    pub(super) database: DatabaseUrl,
}

impl Outside {
    /// Reads both addresses, with every problem at once.
    pub(crate) fn from(config: &Config) -> Result<Self, Vec<Problem>> {
        let (broker, database) = (broker(config), database(config));
        match (broker, database) {
            (Ok(broker), Ok(database)) => {
                Ok(Self { broker: broker.with_frame_max(config.broker.frame_max), database })
            }
            (broker, database) => {
                let problems = [broker.err(), database.err()];
                Err(problems.into_iter().flatten().flatten().collect())
            }
        }
    }
}

fn broker(config: &Config) -> Result<BrokerUrl, Vec<Problem>> {
    let wrong = |rule: String| vec![Problem::new("broker.url", rule)];
    let url = config.broker.url.expose_secret().parse::<BrokerUrl>();
    let url = url.map_err(|error| wrong(error.to_string()))?;
    if !url.is_secure() {
        return Ok(url);
    }
    let tls = tls::client_config(&config.broker.tls, "broker.tls")?;
    url.with_tls(tls).map_err(|error| wrong(error.to_string()))
}

fn database(config: &Config) -> Result<DatabaseUrl, Vec<Problem>> {
    let url = config.postgres.url.expose_secret().parse::<DatabaseUrl>();
    let url = url.map_err(|error| vec![Problem::new("postgres.url", error.to_string())])?;
    if !url.is_secure() {
        return Ok(url);
    }
    Ok(url.with_tls(tls::client_config(&config.postgres.tls, "postgres.tls")?))
}
