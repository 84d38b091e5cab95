//! The pool of connections, and what every connection of ours is told when it is made.

use crate::error::StoreError;
use std::fmt;
use std::str::FromStr;

/// Where the database is: `postgres://user:password@host:port/database`. Debug hides all but
/// host, port and database.
#[derive(Clone)]
pub struct DatabaseUrl {
    config: tokio_postgres::Config,
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
}

impl FromStr for DatabaseUrl {
    type Err = UrlError;

    fn from_str(url: &str) -> Result<Self, UrlError> {
        let config: tokio_postgres::Config = url.parse().map_err(|_| UrlError::Malformed)?;
        if config.get_hosts().is_empty() {
            return Err(UrlError::NoHost);
        }
        if config.get_dbname().is_none() {
            return Err(UrlError::NoDatabase);
        }
        Ok(Self { config })
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
    /// Whether every host it names is this machine: a loopback address, `localhost` or a socket.
    #[must_use]
    pub fn is_local(&self) -> bool {
        unimplemented!()
    }
}

/// The database, through a lazy pool: opening it connects to nothing, so that a process starts
/// without PostgreSQL and waits for it. Clone it freely.
#[derive(Clone)]
pub struct Store {
    pub(crate) pool: deadpool_postgres::Pool,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("pool", &self.pool.status()).finish()
    }
}

impl Store {
    /// A store of at most `pool_size` connections (at least 1), made when they are first needed.
    #[must_use]
    pub fn open(url: &DatabaseUrl, pool_size: usize) -> Self {
        let _ = (url, pool_size);
        unimplemented!()
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`StoreError::Away`] if it does not, [`StoreError::Retry`] if it answers with an error.
    pub async fn ping(&self) -> Result<(), StoreError> {
        unimplemented!()
    }
}
