//! Certificates of a test's own: an authority, and who it vouches for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio_rustls::TlsAcceptor;

/// A certificate authority that nobody else knows.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
}

/// When a certificate is good.
enum Time {
    Now,
    Past,
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

    /// Writes a certificate for a client, and its key, into a folder.
    pub fn client(&self, folder: &Path) -> Result<Pair> {
        let (certificate, key) = self.vouch("a client", ExtendedKeyUsagePurpose::ClientAuth, Time::Now)?;
        let name = uuid::Uuid::now_v7().simple().to_string();
        let pair =
            Pair { certificate: folder.join(format!("{name}.pem")), key: folder.join(format!("{name}.key")) };
        std::fs::write(&pair.certificate, certificate.pem())?;
        std::fs::write(&pair.key, key.serialize_pem())?;
        Ok(pair)
    }

    /// Writes a certificate for a server of this name, and its key, into a folder.
    pub fn server_files(&self, folder: &Path, name: &str) -> Result<Pair> {
        let (certificate, key) = self.vouch(name, ExtendedKeyUsagePurpose::ServerAuth, Time::Now)?;
        let pair = Pair { certificate: folder.join("server.pem"), key: folder.join("server.key") };
        std::fs::write(&pair.certificate, certificate.pem())?;
        std::fs::write(&pair.key, key.serialize_pem())?;
        Ok(pair)
    }

    /// TLS of a server whose certificate was good until a year ago.
    pub fn expired_server(&self, name: &str) -> Result<TlsAcceptor> {
        self.acceptor(name, None, Time::Past)
    }

    /// TLS of a server with this name (or address); with `clients` only who they vouch for gets in.
    pub fn server(&self, name: &str, clients: Option<&Self>) -> Result<TlsAcceptor> {
        self.acceptor(name, clients, Time::Now)
    }

    fn acceptor(&self, name: &str, clients: Option<&Self>, time: Time) -> Result<TlsAcceptor> {
        crate::tls::install();
        let (certificate, key) = self.vouch(name, ExtendedKeyUsagePurpose::ServerAuth, time)?;
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
        time: Time,
    ) -> Result<(rcgen::Certificate, KeyPair)> {
        let mut params = if name.contains(' ') {
            CertificateParams::default()
        } else {
            CertificateParams::new(vec![name.to_owned()])?
        };
        params.distinguished_name.push(DnType::CommonName, name);
        params.insert_extended_key_usage(usage);
        if matches!(time, Time::Past) {
            let year = time::Duration::days(365);
            params.not_after = time::OffsetDateTime::now_utc() - year;
            params.not_before = params.not_after - year;
        }
        let key = KeyPair::generate()?;
        Ok((params.signed_by(&key, &self.issuer)?, key))
    }
}
