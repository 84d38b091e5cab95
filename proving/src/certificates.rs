//! Certificates of a test's own: an authority, and who it vouches for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use time::{Duration, OffsetDateTime};
use tokio_rustls::{TlsAcceptor, TlsConnector};

const YEAR: Duration = Duration::days(365);

/// A certificate authority that nobody else knows.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
}

/// A certificate that vouches for itself, as its own authority, and its key: both as PEM.
pub fn self_signed(name: &str) -> Result<(String, String)> {
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec![name.to_owned()])?.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// The files of a certificate and its key.
#[derive(Clone, Debug)]
pub struct Pair {
    /// PEM of the certificate.
    pub certificate: PathBuf,
    /// PEM of the key.
    pub key: PathBuf,
}

impl Authority {
    /// A new one.
    pub fn new() -> Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = OffsetDateTime::now_utc() - YEAR;
        let name = format!("an authority of a test {}", uuid::Uuid::now_v7());
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        let (der, pem) = (certificate.der().clone(), certificate.pem());
        Ok(Self { issuer: Issuer::new(params, key), certificate: der, pem })
    }

    /// Writes its certificate into a folder; gives the file.
    pub fn write(&self, folder: &Path) -> Result<PathBuf> {
        let file = folder.join(format!("authority-{}.pem", uuid::Uuid::now_v7().simple()));
        std::fs::write(&file, &self.pem)?;
        Ok(file)
    }

    /// TLS of a client that believes this authority and no other.
    pub fn connector(&self) -> Result<TlsConnector> {
        crate::tls::install();
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone())?;
        let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Ok(TlsConnector::from(Arc::new(config)))
    }

    /// Writes a certificate for a client, and its key, into a folder.
    pub fn client(&self, folder: &Path) -> Result<Pair> {
        self.client_files(folder, None)
    }

    /// The same with a certificate that is good until then.
    pub fn client_until(&self, folder: &Path, until: OffsetDateTime) -> Result<Pair> {
        self.client_files(folder, Some(until))
    }

    fn client_files(&self, folder: &Path, until: Option<OffsetDateTime>) -> Result<Pair> {
        let (certificate, key) = self.vouch("a client", ExtendedKeyUsagePurpose::ClientAuth, until)?;
        let name = uuid::Uuid::now_v7().simple().to_string();
        let pair =
            Pair { certificate: folder.join(format!("{name}.pem")), key: folder.join(format!("{name}.key")) };
        std::fs::write(&pair.certificate, certificate.pem())?;
        std::fs::write(&pair.key, key.serialize_pem())?;
        Ok(pair)
    }

    /// Writes a certificate for a server of this name, and its key, into a folder.
    pub fn server_files(&self, folder: &Path, name: &str) -> Result<Pair> {
        self.files(folder, name, None)
    }

    /// The same with a certificate that is good until then.
    pub fn server_files_until(&self, folder: &Path, name: &str, until: OffsetDateTime) -> Result<Pair> {
        self.files(folder, name, Some(until))
    }

    fn files(&self, folder: &Path, name: &str, until: Option<OffsetDateTime>) -> Result<Pair> {
        let (certificate, key) = self.vouch(name, ExtendedKeyUsagePurpose::ServerAuth, until)?;
        let pair = Pair { certificate: folder.join("server.pem"), key: folder.join("server.key") };
        std::fs::write(&pair.certificate, certificate.pem())?;
        std::fs::write(&pair.key, key.serialize_pem())?;
        Ok(pair)
    }

    /// TLS of a server whose certificate was good until a year ago.
    pub fn expired_server(&self, name: &str) -> Result<TlsAcceptor> {
        self.acceptor(name, None, Some(OffsetDateTime::now_utc() - YEAR))
    }

    /// TLS of servers that a client which believes this authority, and looks for `name`, has to refuse; what is wrong
    /// with each.
    pub fn bad_servers(&self, name: &str) -> Result<[(&'static str, TlsAcceptor); 3]> {
        Ok([
            ("for another name", self.server("elsewhere.example", None)?),
            ("expired", self.expired_server(name)?),
            ("of an unknown authority", Self::new()?.server(name, None)?),
        ])
    }

    /// TLS of a server with this name (or address); with `clients` only who they vouch for gets in.
    pub fn server(&self, name: &str, clients: Option<&Self>) -> Result<TlsAcceptor> {
        self.acceptor(name, clients, None)
    }

    fn acceptor(
        &self,
        name: &str,
        clients: Option<&Self>,
        until: Option<OffsetDateTime>,
    ) -> Result<TlsAcceptor> {
        crate::tls::install();
        let (certificate, key) = self.vouch(name, ExtendedKeyUsagePurpose::ServerAuth, until)?;
        let builder = rustls::ServerConfig::builder();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(clients.certificate.clone())?;
                builder.with_client_cert_verifier(WebPkiClientVerifier::builder(Arc::new(roots)).build()?)
            }
        };
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
        let config = builder.with_single_cert(vec![certificate.der().clone()], key)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    fn vouch(
        &self,
        name: &str,
        usage: ExtendedKeyUsagePurpose,
        until: Option<OffsetDateTime>,
    ) -> Result<(rcgen::Certificate, KeyPair)> {
        let mut params = if name.contains(' ') {
            CertificateParams::default()
        } else {
            CertificateParams::new(vec![name.to_owned()])?
        };
        params.distinguished_name.push(DnType::CommonName, name);
        params.insert_extended_key_usage(usage);
        // Some versions of Erlang take 1975, which rcgen would write as 75, for 2075: not valid yet.
        params.not_before = until.unwrap_or_else(OffsetDateTime::now_utc) - YEAR;
        if let Some(until) = until {
            params.not_after = until;
        }
        let key = KeyPair::generate()?;
        Ok((params.signed_by(&key, &self.issuer)?, key))
    }
}
