//! Where RabbitMQ and PostgreSQL are.

use epro_broker::BrokerUrl;
use epro_process::config::{Config, Problem};
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
        let mut problems = Vec::new();
        let broker = config.broker.url.expose_secret().parse::<BrokerUrl>();
        let broker = broker.map_err(|error| problems.push(Problem::new("broker.url", error.to_string())));
        let database = config.postgres.url.expose_secret().parse::<DatabaseUrl>();
        let database =
            database.map_err(|error| problems.push(Problem::new("postgres.url", error.to_string())));
        match (broker, database) {
            (Ok(broker), Ok(database)) => {
                Ok(Self { broker: broker.with_frame_max(config.broker.frame_max), database })
            }
            _ => Err(problems),
        }
    }
}
