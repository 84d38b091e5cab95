//! `postgres`: where PostgreSQL is.

use secrecy::SecretString;

use super::address::{self, Scheme};
use super::section::Section;
use super::{Problem, TlsConfig};

/// Where PostgreSQL is.
#[derive(Debug, Clone)]
pub struct PostgresConfig {
    /// `postgres://user:password@host:port/database`; from `url`, or from the file of `url_file`.
    pub url: SecretString,
    /// Whom we believe there, and who we are; only where the URL says TLS.
    pub tls: TlsConfig,
    /// Most connections that one process holds.
    pub pool_size: u32,
}

impl PostgresConfig {
    /// Everything for which a process that goes there would refuse the files of `tls`. Reads them.
    pub fn unusable(&self) -> Vec<Problem> {
        self.tls.unusable("postgres.tls", address::says_tls(&self.url))
    }

    pub(super) fn read(mut section: Section<'_>, insecure: bool) -> Self {
        let url = address::read(&mut section, "url", "url_file", &Scheme::POSTGRES, insecure);
        if url.is_none() {
            section.problem("url", "is required (or url_file)");
        }
        let tls = TlsConfig::read(section.section("tls"));
        if tls.is_set() && !url.as_ref().is_some_and(address::says_tls) {
            section.problem("tls", "is of no use where the URL doesn't say sslmode=verify-full");
        }
        let pool_size = section.integer("pool_size", 8, 1, 1000);
        section.finish();
        Self { url: url.unwrap_or_default(), tls, pool_size }
    }
}
