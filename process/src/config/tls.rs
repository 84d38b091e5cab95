//! TLS: whom we believe, and who we are, towards a foreign system and at our own door.

use std::path::PathBuf;

use super::Problem;
use super::section::Section;
use crate::tls;

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

    /// Everything for which a process would refuse the files where an address says TLS (`is_spoken`). What is configured
    /// where none does, or none can be read, is read, too: it is not to be found only once the address is mended.
    pub(super) fn unusable(&self, path: &str, is_spoken: bool) -> Vec<Problem> {
        if !is_spoken && !self.is_set() {
            return Vec::new();
        }
        tls::client_config(self, path).err().unwrap_or_default()
    }

    /// Whether anything is configured.
    pub(super) fn is_set(&self) -> bool {
        *self != Self::default()
    }
}

/// The certificate that a listener of ours shows. Read anew when its files change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTls {
    /// PEM file of the certificate, with those between it and its authority.
    pub certificate_file: PathBuf,
    /// PEM file of its private key.
    pub key_file: PathBuf,
    /// PEM file of the authorities whose clients get in; without one every client does, with its token alone.
    pub client_ca_file: Option<PathBuf>,
}

impl ServerTls {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let certificate_file = section.path("certificate_file");
        let key_file = section.path("key_file");
        let client_ca_file = section.path("client_ca_file");
        let missing = [("certificate_file", certificate_file.is_none()), ("key_file", key_file.is_none())];
        if certificate_file.is_some() || key_file.is_some() || client_ca_file.is_some() {
            for (key, _) in missing.into_iter().filter(|(_, missing)| *missing) {
                section.problem(key, "is required in this section");
            }
        }
        section.finish();
        Some(Self { certificate_file: certificate_file?, key_file: key_file?, client_ca_file })
    }
}
