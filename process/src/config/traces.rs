//! `traces`: where spans go, if anywhere.

use url::Url;

use super::TlsConfig;
use super::hospitals::{read_tls, read_url};
use super::section::Section;

/// Where spans go; without an address none are made.
#[derive(Debug, Clone)]
pub struct TracesConfig {
    /// The OTLP/HTTP receiver, to which `/v1/traces` is added.
    pub endpoint: Option<Url>,
    /// Whom we believe, and our certificate.
    pub tls: TlsConfig,
    /// The share of traces that begin here and are recorded. Whoever calls us with a trace has decided already.
    pub ratio: f64,
}

impl TracesConfig {
    pub(super) fn read(mut section: Section<'_>, insecure: bool) -> Self {
        let endpoint = match section.has("endpoint") {
            true => read_url(&mut section, "endpoint", ("https", "http"), insecure),
            false => section.text("endpoint").and(None),
        };
        let tls = read_tls(&mut section, endpoint.as_ref(), "http");
        let ratio = section.positive("ratio", 1.0, 1.0);
        section.finish();
        Self { endpoint, tls, ratio }
    }
}
