//! `postgres`: where PostgreSQL is.

use secrecy::SecretString;

use super::address::{self, Scheme};
use super::section::Section;

/// Where PostgreSQL is.
#[derive(Debug, Clone)]
pub struct PostgresConfig {
    /// `postgres://user:password@host:port/database`; from `url`, or from the file of `url_file`.
    pub url: SecretString,
    /// Most connections that one process holds.
    pub pool_size: u32,
}

impl PostgresConfig {
    pub(super) fn read(mut section: Section<'_>, insecure: bool) -> Self {
        let url = address::read(&mut section, "url", "url_file", &Scheme::POSTGRES, insecure);
        if url.is_none() {
            section.problem("url", "is required (or url_file)");
        }
        let pool_size = section.integer("pool_size", 8, 1, 1000);
        section.finish();
        Self { url: url.unwrap_or_default(), pool_size }
    }
}
