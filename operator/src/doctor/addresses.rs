//! Whether each hospital can be reached from here, and until when its certificate can be used.

use std::time::Duration;

use epro_process::config::{Config, HospitalConfig, Protocol, TlsConfig};
use time::OffsetDateTime;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::{Finding, certificates};

/// Connections that are tried at once.
const AT_ONCE: usize = 32;

/// Where a hospital is.
struct Address {
    site: String,
    host: String,
    port: u16,
    tls: Option<TlsConfig>,
    timeout: Duration,
}

pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut addresses = config.hospitals.iter().filter_map(|(site, hospital)| Address::of(site, hospital));
    let mut looks = JoinSet::new();
    loop {
        while looks.len() < AT_ONCE
            && let Some(address) = addresses.next()
        {
            looks.spawn(reached(address));
        }
        match looks.join_next().await {
            Some(found) => findings.extend(found.ok().flatten()),
            None => return findings,
        }
    }
}

impl Address {
    fn of(site: &str, hospital: &HospitalConfig) -> Option<Self> {
        let (host, port, tls) = match &hospital.protocol {
            Protocol::Fhir(fhir) => {
                let host = fhir.url.host_str()?.trim_matches(['[', ']']).to_owned();
                let tls = (fhir.url.scheme() == "https").then(|| fhir.tls.clone());
                (host, fhir.url.port_or_known_default()?, tls)
            }
            Protocol::Hl7v2(mllp) => (mllp.host.clone(), mllp.port, mllp.tls.clone()),
        };
        Some(Self { site: site.to_owned(), host, port, tls, timeout: hospital.timeout })
    }
}

async fn reached(address: Address) -> Option<Finding> {
    let greeted = tokio::time::timeout(address.timeout, greeted(&address)).await;
    let Address { site, host, port, .. } = &address;
    match greeted.unwrap_or_else(|_| Err("doesn't answer from here".to_owned())) {
        Ok(until) => certificates::shown(&format!("the hospital of {site}"), until?),
        Err(why) => Some(Finding::note(
            format!("the hospital of {site} ({host}:{port}) {why}"),
            "if workers can't reach it either, deliveries wait; nothing is lost",
            "epro hospitals says whether workers reach it; then look at the network, the name, or the hospital",
        )),
    }
}

/// A connection and, where there is TLS, a handshake.
async fn greeted(address: &Address) -> Result<Option<OffsetDateTime>, String> {
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await;
    let stream = stream.map_err(|error| format!("can't be reached from here: {}", error.kind()))?;
    match &address.tls {
        Some(tls) => certificates::greeted(stream, &address.host, tls).await,
        None => Ok(None),
    }
}
