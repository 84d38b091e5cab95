//! TLS all the way to the broker and the database, with certificates on both sides.

use anyhow::Result;
use tokio_rustls::TlsAcceptor;

use crate::Stack;
use crate::certificates::{Authority, Pair};
use crate::services::{host_port, with_host_port};
use crate::tls_front::Front;

/// What a process is told of its two services, all through TLS; relays in front of them end with this value.
#[derive(Debug)]
pub struct TlsRoute {
    _fronts: Vec<Front>,
    urls: [String; 2],
    authority: String,
    own: Pair,
}

impl TlsRoute {
    /// In front of a stack's services as `tls` shows them, the broker's first, for a process that believes `authority`
    /// and is vouched for by `clients`.
    pub async fn of(
        stack: &Stack,
        authority: &Authority,
        clients: &Authority,
        tls: [TlsAcceptor; 2],
    ) -> Result<Self> {
        let (amqp, database) = (stack.vhost().url(), stack.database().url());
        let [for_broker, for_postgres] = tls;
        let broker = Front::to(&host_port(amqp)?, for_broker).await?;
        let postgres = Front::to_postgres(&host_port(database)?, for_postgres).await?;
        let amqp = with_host_port(amqp, &format!("localhost:{}", broker.port()))?;
        let database = with_host_port(database, &format!("localhost:{}", postgres.port()))?;
        Ok(Self {
            _fronts: vec![broker, postgres],
            urls: [amqp.replacen("amqp:", "amqps:", 1), format!("{database}?sslmode=verify-full")],
            authority: authority.write(stack.folder())?.display().to_string(),
            own: clients.client(stack.folder())?,
        })
    }

    /// Without relays, to services that speak TLS themselves at these addresses (`host:port`), the broker's first, as
    /// the users of `urls`, for a process that believes `authority` and is vouched for by `clients`. It signs in to the
    /// database only where the login is bound to the very certificate that the database shows (SCRAM-SHA-256-PLUS).
    pub fn straight(
        stack: &Stack,
        urls: [&str; 2],
        addresses: [&str; 2],
        authority: &Authority,
        clients: &Authority,
    ) -> Result<Self> {
        let amqp = with_host_port(urls[0], addresses[0])?;
        let database = with_host_port(urls[1], addresses[1])?;
        Ok(Self {
            _fronts: Vec::new(),
            urls: [
                amqp.replacen("amqp:", "amqps:", 1),
                format!("{database}?sslmode=verify-full&channel_binding=require"),
            ],
            authority: authority.write(stack.folder())?.display().to_string(),
            own: clients.client(stack.folder())?,
        })
    }

    /// That as the environment of a process.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let (certificate, key) = (self.own.certificate.display(), self.own.key.display());
        vec![
            ("EPRO__BROKER__URL", self.urls[0].clone()),
            ("EPRO__BROKER__TLS__CA_FILE", self.authority.clone()),
            ("EPRO__BROKER__TLS__CERTIFICATE_FILE", certificate.to_string()),
            ("EPRO__BROKER__TLS__KEY_FILE", key.to_string()),
            ("EPRO__POSTGRES__URL", self.urls[1].clone()),
            ("EPRO__POSTGRES__TLS__CA_FILE", self.authority.clone()),
            ("EPRO__POSTGRES__TLS__CERTIFICATE_FILE", certificate.to_string()),
            ("EPRO__POSTGRES__TLS__KEY_FILE", key.to_string()),
        ]
    }
}
