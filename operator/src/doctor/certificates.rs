//! Until when certificates can be used: those in files of ours, and those that servers show.

use std::path::Path;
use std::sync::Arc;

use epro_process::config::{Config, ObjectsPlace, Protocol, ServerTls, TlsConfig};
use epro_process::tls;
use rustls::CertificateError::{self, ExpiredContext};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use time::OffsetDateTime;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Finding, validity};

/// A certificate that ends within this wants a new one.
const SOON: time::Duration = time::Duration::days(30);
const CONSEQUENCE: &str = "from its end on the connection is refused: what is for the other side waits";

/// Every certificate file of the configuration.
pub(super) fn files(config: &Config) -> Vec<Finding> {
    let hospitals = config.hospitals.iter().filter_map(|(site, hospital)| match &hospital.protocol {
        Protocol::Fhir(fhir) => Some((site.clone(), &fhir.tls)),
        Protocol::Hl7v2(mllp) => Some((site.clone(), mllp.tls.as_ref()?)),
    });
    let models = config
        .studies
        .iter()
        .filter_map(|(study, read)| Some((format!("the risk model of {study}"), &read.risk.as_ref()?.tls)));
    let ours =
        [("broker", &config.broker.tls), ("postgres", &config.postgres.tls), ("traces", &config.traces.tls)];
    let ours = ours.map(|(section, tls)| (section.to_owned(), tls));
    let issuer = config.auth.jwks.iter().map(|jwks| ("auth.jwks".to_owned(), &jwks.tls));
    let mut files: Vec<(String, &Path)> = Vec::new();
    for (of, tls) in hospitals.chain(models).chain(ours).chain(issuer) {
        let TlsConfig { ca_file, certificate_file, .. } = tls;
        files.extend(
            [ca_file, certificate_file].into_iter().flatten().map(|file| (of.clone(), file.as_path())),
        );
    }
    let smtp = config.alerts.smtp.as_ref().and_then(|smtp| smtp.ca_file.as_deref());
    let sms = config.alerts.sms.as_ref().and_then(|sms| sms.ca_file.as_deref());
    files.extend(smtp.map(|file| ("alerts.smtp".to_owned(), file)));
    files.extend(sms.map(|file| ("alerts.sms".to_owned(), file)));
    for (of, tls) in [("intake", &config.intake.tls), ("console", &config.console.tls)] {
        files.extend(tls.iter().flat_map(|tls| of_listener(of, tls)));
    }
    files.extend(of_storages(config));
    files
        .iter()
        .filter_map(|(of, file)| of_file(&format!("the file {} of {of}", file.display()), file))
        .collect()
}

/// What the door or the console shows, and the authorities of its clients. They may lie on its machine only.
fn of_listener<'c>(of: &str, tls: &'c ServerTls) -> Vec<(String, &'c Path)> {
    let own = tls.certificate_file.as_path();
    let clients = tls.client_ca_file.iter().map(|file| (format!("{of}.tls.client_ca_file"), file.as_path()));
    let files = [(of.to_owned(), own)].into_iter().chain(clients);
    files.filter(|(_, file)| own.exists() || file.exists()).collect()
}

/// The authorities of object storages. That of the anchors may be known on the auditor's machine only.
fn of_storages(config: &Config) -> Vec<(String, &Path)> {
    let exports = authority(&config.exports.place).map(|file| ("exports.s3".to_owned(), file));
    let anchors = config.audit.anchors.as_ref().and_then(authority).filter(|file| file.exists());
    exports.into_iter().chain(anchors.map(|file| ("audit.s3".to_owned(), file))).collect()
}

fn authority(place: &ObjectsPlace) -> Option<&Path> {
    match place {
        ObjectsPlace::S3(s3) => s3.ca_file.as_deref(),
        ObjectsPlace::Folder(_) => None,
    }
}

/// What follows from how long a server's certificate is valid.
pub(super) fn shown(of: &str, until: OffsetDateTime) -> Option<Finding> {
    let fix = "whoever runs it gets a new one in time; if another authority vouches for that, its ca_file has to say so";
    ends(&format!("the certificate of {of}"), until, fix)
}

/// A handshake on a connection; no request is made. Until when the server's certificate is valid, or was.
pub(super) async fn greeted(
    stream: TcpStream,
    host: &str,
    tls: &TlsConfig,
) -> Result<Option<OffsetDateTime>, String> {
    let client = tls::client_config(tls, "tls").map_err(|_| "has no TLS settings that can be used")?;
    let name = ServerName::try_from(host.to_owned()).map_err(|_| "has no name that TLS can verify")?;
    match TlsConnector::from(Arc::new(client)).connect(name, stream).await {
        Ok(stream) => {
            let chain = stream.get_ref().1.peer_certificates();
            Ok(chain.and_then(|chain| validity::until(chain.first()?)))
        }
        Err(error) => match refused(&error) {
            Some(ExpiredContext { not_after, .. }) => Ok(ended(*not_after)),
            Some(_) => Err("can be reached from here, but its certificate isn't believed".into()),
            None => Err("can be reached from here, but doesn't speak TLS with us".into()),
        },
    }
}

/// What is wrong with the server's certificate, if that is why the handshake failed.
fn refused(error: &std::io::Error) -> Option<&CertificateError> {
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(why) => Some(why),
        _ => None,
    }
}

fn ended(at: UnixTime) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(i64::try_from(at.as_secs()).ok()?).ok()
}

fn of_file(what: &str, file: &Path) -> Option<Finding> {
    let fix = "get a new one in time; door and console read their own anew, the others are read at the start: restart one by one";
    match first_to_end(file) {
        Some(until) => ends(what, until, fix),
        None => Some(Finding::new(
            format!("{what} can't be read as certificates"),
            "whoever needs it doesn't start",
            fix,
        )),
    }
}

/// `None`: it can't be read, holds nothing, or something that is no certificate.
fn first_to_end(file: &Path) -> Option<OffsetDateTime> {
    let certificates = CertificateDer::pem_file_iter(file).ok()?;
    let ends = certificates.map(|certificate| validity::until(certificate.ok()?));
    ends.collect::<Option<Vec<_>>>()?.into_iter().min()
}

fn ends(what: &str, until: OffsetDateTime, fix: &str) -> Option<Finding> {
    let left = until - OffsetDateTime::now_utc();
    let finding = if left.is_negative() {
        format!("{what} has ended {} days ago", -left.whole_days())
    } else {
        format!("{what} ends in {} days", left.whole_days())
    };
    (left < SOON).then(|| Finding::new(finding, CONSEQUENCE, fix))
}
