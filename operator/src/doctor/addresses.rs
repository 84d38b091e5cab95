//! Whether each hospital can be reached from here, and until when its certificate and ours can be used.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use epro_process::config::{Config, HospitalConfig, Protocol, TlsConfig};
use epro_process::tls;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use time::OffsetDateTime;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::{Finding, validity};

/// Connections that are tried at once.
const AT_ONCE: usize = 32;
/// A certificate that ends within this wants a new one.
const SOON: time::Duration = time::Duration::days(30);

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
    for (site, hospital) in &config.hospitals {
        for file in files(hospital) {
            findings.extend(ends(&format!("the file {} of {site}", file.display()), until(file)));
        }
    }
    if let Some(smtp) = &config.alerts.smtp
        && let Some(file) = &smtp.ca_file
    {
        findings.extend(ends(&format!("the file {} of alerts.smtp", file.display()), until(file)));
    }
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

fn files(hospital: &HospitalConfig) -> Vec<&Path> {
    let tls = match &hospital.protocol {
        Protocol::Fhir(fhir) => Some(&fhir.tls),
        Protocol::Hl7v2(mllp) => mllp.tls.as_ref(),
    };
    let files = tls.into_iter().flat_map(|tls| [&tls.ca_file, &tls.certificate_file]);
    files.flatten().map(std::path::PathBuf::as_path).collect()
}

async fn reached(address: Address) -> Option<Finding> {
    let greeted = tokio::time::timeout(address.timeout, greeted(&address)).await;
    let Address { site, host, port, .. } = &address;
    match greeted.unwrap_or_else(|_| Err("doesn't answer from here".to_owned())) {
        Ok(None) => None,
        Ok(until) => ends(&format!("the certificate of the hospital of {site}"), Ok(until)),
        Err(why) => Some(Finding::note(
            format!("the hospital of {site} ({host}:{port}) {why}"),
            "if workers can't reach it either, deliveries wait; nothing is lost",
            "epro hospitals says whether workers reach it; then look at the network, the name, or the hospital",
        )),
    }
}

/// A connection and, where there is TLS, a handshake; no request is made. Until when its certificate is valid.
async fn greeted(address: &Address) -> Result<Option<OffsetDateTime>, String> {
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await;
    let stream = stream.map_err(|error| format!("can't be reached from here: {}", error.kind()))?;
    let Some(tls) = &address.tls else { return Ok(None) };
    let client = tls::client_config(tls, "tls").map_err(|_| "has no TLS settings that can be used")?;
    let name = ServerName::try_from(address.host.clone()).map_err(|_| "has no name that TLS can verify")?;
    let stream = TlsConnector::from(Arc::new(client)).connect(name, stream).await;
    let stream = stream.map_err(|_| "can be reached from here, but its certificate isn't believed")?;
    Ok(stream.get_ref().1.peer_certificates().and_then(|chain| validity::until(chain.first()?)))
}

/// The end of the first of the certificates in a file to end.
fn until(file: &Path) -> Result<Option<OffsetDateTime>, ()> {
    let certificates = CertificateDer::pem_file_iter(file).map_err(|_| ())?;
    let ends = certificates.map(|certificate| certificate.map(|certificate| validity::until(&certificate)));
    Ok(ends.collect::<Result<Vec<_>, _>>().map_err(|_| ())?.into_iter().flatten().min())
}

fn ends(what: &str, until: Result<Option<OffsetDateTime>, ()>) -> Option<Finding> {
    let fix =
        "get a new one in time; certificate files are read at the start: restart the workers one by one";
    let left = match until {
        Err(()) => {
            let consequence = "whoever needs it doesn't start";
            return Some(Finding::new(format!("{what} can't be read as certificates"), consequence, fix));
        }
        Ok(until) => until? - OffsetDateTime::now_utc(),
    };
    let consequence = "from its end on the hospital, or we, refuse the connection: deliveries wait";
    if left.is_negative() {
        return Some(Finding::new(
            format!("{what} has ended {} days ago", -left.whole_days()),
            consequence,
            fix,
        ));
    }
    (left < SOON)
        .then(|| Finding::new(format!("{what} ends in {} days", left.whole_days()), consequence, fix))
}
