//! TLS, towards the outside world and at our own door: rustls on aws-lc-rs, the one provider.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, SubjectPublicKeyInfoDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::config::{Problem, ServerTls, TlsConfig};

/// Makes aws-lc-rs the process's provider. First thing in each `main` that speaks TLS, or that builds an HTTP
/// client, which would panic without one. Calling it again does nothing.
pub fn install() {
    // An error says that one is installed already: an earlier call, as nothing else installs any.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// What a TLS client works with: the system's authorities or those of `ca_file`, and our certificate if we have
/// one. Host names are always verified; TLS 1.2 and 1.3.
///
/// # Errors
/// A problem for each file that can't be read or doesn't hold what it should, under `path` (the section of the
/// configuration).
pub fn client_config(tls: &TlsConfig, path: &str) -> Result<ClientConfig, Vec<Problem>> {
    let roots = tls.ca_file.as_deref().map_or_else(system, private);
    let roots = roots.map_err(|rule| Problem::new(format!("{path}.ca_file"), rule));
    let own = match (&tls.certificate_file, &tls.key_file) {
        (Some(certificate), Some(key)) => pair(certificate, key, path).map(Some),
        _ => Ok(None),
    };
    let (roots, own) = match (roots, own) {
        (Ok(roots), Ok(own)) => (roots, own),
        (roots, own) => {
            return Err(roots.err().into_iter().chain(own.err().into_iter().flatten()).collect());
        }
    };
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|_| vec![Problem::new(path, "no version of TLS is left")])?
        .with_root_certificates(roots);
    Ok(match own {
        None => builder.with_no_client_auth(),
        Some(own) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own))),
    })
}

/// What a listener of ours shows its clients, and whom it lets in. HTTP/1.1 only.
///
/// # Errors
/// A problem for each file that can't be read or doesn't hold what it should, under `path`.
pub fn server_config(tls: &ServerTls, path: &str) -> Result<ServerConfig, Vec<Problem>> {
    let own = pair(&tls.certificate_file, &tls.key_file, path);
    let clients = tls.client_ca_file.as_deref().map(vouched).transpose();
    let clients = clients.map_err(|rule| Problem::new(format!("{path}.client_ca_file"), rule));
    let (own, clients) = match (own, clients) {
        (Ok(own), Ok(clients)) => (own, clients),
        (own, clients) => {
            return Err(own.err().into_iter().flatten().chain(clients.err()).collect());
        }
    };
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|_| vec![Problem::new(path, "no version of TLS is left")])?;
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => builder.with_client_cert_verifier(clients),
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(own)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// A certificate of ours with its key, or everything that is wrong with the two files.
fn pair(certificate_file: &Path, key_file: &Path, path: &str) -> Result<CertifiedKey, Vec<Problem>> {
    let at = |key: &str, rule: String| Problem::new(format!("{path}.{key}"), rule);
    let chain = certificates(certificate_file).map_err(|rule| at("certificate_file", rule));
    let key = private_key(key_file).map_err(|rule| at("key_file", rule));
    let (chain, key) = match (chain, key) {
        (Ok(chain), Ok(key)) => (chain, key),
        (chain, key) => return Err(chain.err().into_iter().chain(key.err()).collect()),
    };
    let (key, rule) = match CertifiedKey::from_der(chain, key, &provider()) {
        Ok(own) => return Ok(own),
        Err(rustls::Error::InconsistentKeys(_)) => ("key_file", "isn't the key of certificate_file"),
        Err(rustls::Error::InvalidCertificate(_)) => {
            ("certificate_file", "holds a certificate that can't be used")
        }
        Err(_) => ("key_file", "holds a private key that can't be used"),
    };
    Err(vec![at(key, rule.to_owned())])
}

/// Lets in whom the authorities of a file vouch for.
fn vouched(file: &Path) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let roots = Arc::new(private(file)?);
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider()).build();
    verifier.map_err(|_| "holds no authority of use".to_owned())
}

fn private(file: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|_| "holds a certificate that can't be an authority's".to_owned())?;
    }
    Ok(roots)
}

fn system() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    // What the system holds beside good certificates is not our business, unless nothing is left.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(
            "is required: this system has no certificate authorities (package ca-certificates)".to_owned()
        );
    }
    Ok(roots)
}

pub(crate) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = std::fs::read(file).map_err(|error| format!("can't be read: {}", error.kind()))?;
    let found = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    match found {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err("holds no certificates as PEM".to_owned()),
    }
}

/// The DER of a public key.
pub(crate) fn public_key(file: &Path) -> Result<Vec<u8>, String> {
    let pem = std::fs::read(file).map_err(|error| format!("can't be read: {}", error.kind()))?;
    let der = SubjectPublicKeyInfoDer::from_pem_slice(&pem);
    der.map(|der| der.to_vec()).map_err(|_| "holds no public key as PEM".to_owned())
}

pub(crate) fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let pem = std::fs::read(file).map(zeroize::Zeroizing::new);
    let pem = pem.map_err(|error| format!("can't be read: {}", error.kind()))?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| "holds no private key as PEM".to_owned())
}
