//! `console`: where operators look with a browser.

use std::net::SocketAddr;

use url::Url;

use super::intake::{ADDRESS, loopback};
use super::section::Section;
use super::tls::ServerTls;
use super::{Problem, TrustedProxies};
use crate::tls;

/// The console.
#[derive(Debug, Clone)]
pub struct ConsoleConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Its certificate; without one it speaks plain HTTP.
    pub tls: Option<ServerTls>,
    /// How browsers reach it, as `https://epro.example`; none: by the address that it listens on.
    pub origin: Option<String>,
    /// Who may stand between it and those who ask.
    pub trusted_proxies: TrustedProxies,
}

impl ConsoleConfig {
    /// Everything for which a console would refuse the files of `tls`. Reads them.
    pub fn unusable(&self) -> Vec<Problem> {
        let shown = self.tls.as_ref().map(|files| tls::server_config(files, "console.tls"));
        shown.and_then(Result::err).unwrap_or_default()
    }

    pub(super) fn read(mut section: Section<'_>, insecure: bool) -> Self {
        let listen: SocketAddr = section.parsed("listen", loopback(8090), ADDRESS);
        let tls = ServerTls::read(section.section("tls"));
        let origin = section.text("origin");
        if !listen.ip().is_loopback() {
            if !insecure && tls.is_none() {
                section.problem(
                    "listen",
                    "is plain text beyond loopback; give tls, or set insecure: true behind a proxy that ends TLS",
                );
            }
            if origin.is_none() {
                section.problem("origin", "is required where browsers come from beyond loopback");
            }
        }
        if origin.as_deref().is_some_and(|origin| !is_origin(origin)) {
            section.problem("origin", "has to be a scheme and a host, as https://epro.example");
        } else if tls.is_some() && origin.as_deref().is_some_and(|origin| !origin.starts_with("https:")) {
            section.problem("origin", "has to be one of https beside tls");
        }
        let trusted_proxies = TrustedProxies::read(&mut section);
        section.finish();
        Self { listen, tls, origin, trusted_proxies }
    }
}

/// Whether it is spelled as a browser spells it.
fn is_origin(text: &str) -> bool {
    let http = |url: &Url| matches!(url.scheme(), "http" | "https");
    Url::parse(text).is_ok_and(|url| http(&url) && url.origin().ascii_serialization() == text)
}
