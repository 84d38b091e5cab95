//! `broker`: where RabbitMQ is.

use secrecy::SecretString;

use super::address::{self, Scheme};
use super::section::Section;
use super::{Problem, TlsConfig};

/// Where RabbitMQ is.
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    /// `amqps://user:password@host:port/vhost`; from `url`, or from the file that `url_file` names.
    pub url: SecretString,
    /// Whom we believe there, and who we are; also at the management API; only where a URL says TLS.
    pub tls: TlsConfig,
    /// `http://user:password@host:15672` of the management API; only the operator's tool uses it.
    pub management_url: Option<SecretString>,
    /// Largest AMQP frame, in bytes. 16 KiB spares a quarter of a worker's memory.
    pub frame_max: u32,
}

impl BrokerConfig {
    /// Everything for which a process that goes there, or to the management API, would refuse the files of `tls`. Reads
    /// them.
    pub fn unusable(&self) -> Vec<Problem> {
        let addresses = [Some(&self.url), self.management_url.as_ref()];
        self.tls.unusable("broker.tls", addresses.into_iter().flatten().any(address::says_tls))
    }

    pub(super) fn read(mut section: Section<'_>, insecure: bool) -> Self {
        let url = address::read(&mut section, "url", "url_file", &Scheme::AMQP, insecure);
        if url.is_none() {
            section.problem("url", "is required (or url_file)");
        }
        let tls = TlsConfig::read(section.section("tls"));
        let management_url =
            address::read(&mut section, "management_url", "management_url_file", &Scheme::HTTP, insecure);
        if tls.is_set() && ![&url, &management_url].into_iter().flatten().any(address::says_tls) {
            section.problem("tls", "is of no use where no URL says amqps or https");
        }
        let frame_max = section.integer("frame_max", 16384, 8192, 131_072);
        section.finish();
        Self { url: url.unwrap_or_default(), tls, management_url, frame_max }
    }
}
