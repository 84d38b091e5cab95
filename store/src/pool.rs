//! The pool of connections, and what every connection of ours is told when it is made.

use crate::error::StoreError;
use crate::session::Session;
use crate::submissions::at_once::Doubt;
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::NoTls;
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long making a connection may take, and waiting for a free one.
const CONNECT: Duration = Duration::from_secs(5);
/// The server gives up a statement after this, and a transaction that nobody continues: an orphan
/// of a lost connection holds its locks no longer.
const STATEMENT: Duration = Duration::from_secs(10);
/// A query whose asker has hung up ends within a second, not with its time.
const WATCH: &str = "-c client_connection_check_interval=1000";

/// Where the database is: `postgres://user:password@host:port/database`, with `?sslmode=verify-full` over TLS.
/// Debug hides all but host, port and database.
#[derive(Clone)]
pub struct DatabaseUrl {
    config: tokio_postgres::Config,
    tls: Option<MakeRustlsConnect>,
}

/// A database URL that can't be used; says which rule it breaks, never the URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// Not a PostgreSQL URL.
    #[error("not a PostgreSQL URL (postgres://user:password@host:port/database)")]
    Malformed,
    /// It names no host.
    #[error("the PostgreSQL URL names no host")]
    NoHost,
    /// It names no database.
    #[error("the PostgreSQL URL names no database")]
    NoDatabase,
    /// It leaves to chance whether anybody can listen.
    #[error("sslmode of the PostgreSQL URL has to be verify-full or disable")]
    SslMode,
}

impl FromStr for DatabaseUrl {
    type Err = UrlError;

    fn from_str(url: &str) -> Result<Self, UrlError> {
        let modes = url.split(['?', '&']).filter_map(|part| part.strip_prefix("sslmode="));
        if modes.into_iter().any(|mode| !matches!(mode, "verify-full" | "require" | "disable")) {
            return Err(UrlError::SslMode);
        }
        // Whoever is connected to over TLS is verified: in the client library's words that is `require`.
        let url = url.replace("sslmode=verify-full", "sslmode=require");
        let mut config: tokio_postgres::Config = url.parse().map_err(|_| UrlError::Malformed)?;
        if config.get_ssl_mode() == SslMode::Prefer {
            config.ssl_mode(SslMode::Disable);
        }
        if config.get_hosts().is_empty() {
            return Err(UrlError::NoHost);
        }
        if config.get_dbname().is_none() {
            return Err(UrlError::NoDatabase);
        }
        Ok(Self { config, tls: None })
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseUrl")
            .field("hosts", &self.config.get_hosts())
            .field("ports", &self.config.get_ports())
            .field("database", &self.config.get_dbname())
            .finish_non_exhaustive()
    }
}

impl DatabaseUrl {
    /// Whether it says TLS: then nothing connects before [`DatabaseUrl::with_tls`].
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.config.get_ssl_mode() == SslMode::Require
    }

    /// The same database over TLS: whom we believe, and who we are.
    #[must_use]
    pub fn with_tls(self, config: rustls::ClientConfig) -> Self {
        Self { tls: Some(MakeRustlsConnect::new(config)), ..self }
    }

    pub(crate) fn tls(&self) -> Option<MakeRustlsConnect> {
        self.tls.clone()
    }

    /// What every connection of ours is told. tokio-postgres has no bound on reading, so a dead
    /// peer is found by keepalives, and a silent one by our own bound on each answer.
    pub(crate) fn config(&self) -> tokio_postgres::Config {
        let mut config = self.config.clone();
        config
            .connect_timeout(CONNECT)
            .keepalives(true)
            .keepalives_idle(Duration::from_secs(10))
            .keepalives_interval(Duration::from_secs(5))
            .keepalives_retries(3)
            .tcp_user_timeout(Duration::from_secs(15));
        if config.get_application_name().is_none() {
            config.application_name(program());
        }
        config
    }

    fn pooled(&self) -> tokio_postgres::Config {
        let mut config = self.config();
        let bounds = format!(
            "-c statement_timeout={ms} -c idle_in_transaction_session_timeout={ms} {WATCH}",
            ms = STATEMENT.as_millis()
        );
        let options = match config.get_options() {
            Some(given) => format!("{bounds} {given}"),
            None => bounds,
        };
        config.options(options);
        config
    }
}

/// The name of this process, for `pg_stat_activity`: program, process and machine (`epro-worker 7@node-1`), so that
/// replicas can be told apart. PostgreSQL cuts it off after 63 bytes.
fn program() -> String {
    let path = std::env::args().next().unwrap_or_default();
    let name = path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("epro");
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{name} {}@{}", std::process::id(), host.trim())
}

/// The database, through a lazy pool: opening it connects to nothing, so that a process starts
/// without PostgreSQL and waits for it. Clone it freely.
#[derive(Clone)]
pub struct Store {
    pub(crate) pool: deadpool_postgres::Pool,
    pub(crate) doubt: Arc<Doubt>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("pool", &self.pool.status()).finish()
    }
}

impl Store {
    /// A store of at most `pool_size` connections (at least 1), made when they are first needed.
    ///
    /// The pool only asks whether a connection is known to be closed; whether it is alive is asked
    /// by the first statement of each use of it, which in a transaction is `BEGIN` and costs nothing.
    #[must_use]
    pub fn open(url: &DatabaseUrl, pool_size: usize) -> Self {
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = match url.tls() {
            Some(tls) => Manager::from_config(url.pooled(), tls, recycling),
            None => Manager::from_config(url.pooled(), NoTls, recycling),
        };
        let builder = Pool::builder(manager)
            .max_size(pool_size.max(1))
            .wait_timeout(Some(CONNECT))
            .create_timeout(Some(CONNECT))
            .recycle_timeout(Some(CONNECT))
            .runtime(Runtime::Tokio1);
        #[expect(clippy::expect_used, reason = "it fails only where timeouts are set without a runtime")]
        let pool = builder.build().expect("a pool with timeouts and a runtime");
        Self { pool, doubt: Arc::default() }
    }

    /// Sets the gauges of its pool, called so.
    pub fn gauges(&self, pool: &'static str) -> impl Fn() + Send + 'static {
        let connections = self.pool.clone();
        move || {
            let status = connections.status();
            metrics::gauge!("epro_pool_connections", "pool" => pool).set(status.size as f64);
            metrics::gauge!("epro_pool_idle", "pool" => pool).set(status.available as f64);
            metrics::gauge!("epro_pool_waiting", "pool" => pool).set(status.waiting as f64);
            metrics::gauge!("epro_pool_limit", "pool" => pool).set(status.max_size as f64);
        }
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`StoreError::Away`] if it does not, [`StoreError::Retry`] if it answers with an error.
    pub async fn ping(&self) -> Result<(), StoreError> {
        Session::open(self).await?.done();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::DatabaseUrl;

    #[test]
    fn whether_anybody_can_listen_is_never_left_to_chance() {
        let of = |query: &str| format!("postgres://u@h/d{query}").parse::<DatabaseUrl>();
        assert!(!of("").unwrap().is_secure() && !of("?sslmode=disable").unwrap().is_secure());
        assert!(of("?application_name=a&sslmode=verify-full").unwrap().is_secure());
        let us = of("").unwrap().config().get_application_name().unwrap().to_owned();
        assert!(us.contains(&format!(" {}@", std::process::id())), "{us}");
        assert_eq!(of("?sslmode=prefer").unwrap_err(), super::UrlError::SslMode);
        assert_eq!(of("").unwrap().config().get_ssl_mode(), super::SslMode::Disable);
    }

    #[test]
    fn every_connection_is_bounded_and_what_the_url_says_comes_last() {
        let url: DatabaseUrl =
            "postgres://u@h/d?options=-c%20statement_timeout%3D1&application_name=me".parse().unwrap();
        let config = url.pooled();
        let options = config.get_options().unwrap();
        assert!(
            options.starts_with("-c statement_timeout=10000 -c idle_in_transaction_session_timeout=10000 ")
        );
        assert!(options.ends_with("-c statement_timeout=1"));
        assert_eq!(config.get_application_name(), Some("me"));
        assert!(config.get_connect_timeout().is_some() && config.get_tcp_user_timeout().is_some());
    }
}
