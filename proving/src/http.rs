//! The HTTP client of everything here: plain, to this machine, through no proxy.

use std::time::Duration;

/// A client whose requests take at most `bound` each. It believes no certificate authority.
pub fn client(bound: Duration) -> reqwest::Result<reqwest::Client> {
    crate::tls::install();
    reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(bound).build()
}
