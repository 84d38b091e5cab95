//! TLS towards a foreign system: whom we believe, and who we are.

use std::path::PathBuf;

use super::section::Section;

/// Whom we believe, and who we are. The files are read by [`crate::tls::client_config`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// PEM file of the only certificate authorities that are believed; without one, those of the system are.
    pub ca_file: Option<PathBuf>,
    /// PEM file of our own certificate, with those between it and its authority; stands beside `key_file`.
    pub certificate_file: Option<PathBuf>,
    /// PEM file of its private key.
    pub key_file: Option<PathBuf>,
}

impl TlsConfig {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let ca_file = section.path("ca_file");
        let certificate_file = section.path("certificate_file");
        let key_file = section.path("key_file");
        match (&certificate_file, &key_file) {
            (Some(_), None) => section.problem("key_file", "is required beside certificate_file"),
            (None, Some(_)) => section.problem("certificate_file", "is required beside key_file"),
            _ => {}
        }
        section.finish();
        Self { ca_file, certificate_file, key_file }
    }

    /// Whether anything is configured.
    pub(super) fn is_set(&self) -> bool {
        *self != Self::default()
    }
}
