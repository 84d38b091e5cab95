//! TLS, towards the outside world and at our own door: rustls on aws-lc-rs, the one provider.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, SubjectPublicKeyInfoDer};
use rustls::server::WebPkiClientVerifier;
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
    let mut problems = Vec::new();
    let roots = match &tls.ca_file {
        Some(file) => {
            private(file).map_err(|rule| problems.push(Problem::new(format!("{path}.ca_file"), rule)))
        }
        None => system().map_err(|rule| problems.push(Problem::new(format!("{path}.ca_file"), rule))),
    };
    let own = match (&tls.certificate_file, &tls.key_file) {
        (Some(certificate), Some(key)) => {
            let certificate = certificates(certificate)
                .map_err(|rule| problems.push(Problem::new(format!("{path}.certificate_file"), rule)));
            let key = private_key(key)
                .map_err(|rule| problems.push(Problem::new(format!("{path}.key_file"), rule)));
            certificate.ok().zip(key.ok())
        }
        _ => None,
    };
    let Ok(roots) = roots else { return Err(problems) };
    if !problems.is_empty() {
        return Err(problems);
    }
    let at_fault = |rule: &str| vec![Problem::new(path, rule)];
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| at_fault("no version of TLS is left"))?
        .with_root_certificates(roots);
    match own {
        None => Ok(builder.with_no_client_auth()),
        Some((chain, key)) => builder
            .with_client_auth_cert(chain, key)
            .map_err(|_| at_fault("certificate_file and key_file don't belong together")),
    }
}

/// What a listener of ours shows its clients, and whom it lets in. HTTP/1.1 only.
///
/// # Errors
/// A problem for each file that can't be read or doesn't hold what it should, under `path`.
pub fn server_config(tls: &ServerTls, path: &str) -> Result<ServerConfig, Vec<Problem>> {
    let at = |key: &str, rule: String| vec![Problem::new(format!("{path}.{key}"), rule)];
    let chain = certificates(&tls.certificate_file).map_err(|rule| at("certificate_file", rule))?;
    let key = private_key(&tls.key_file).map_err(|rule| at("key_file", rule))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|_| vec![Problem::new(path, "no version of TLS is left")])?;
    let builder = match &tls.client_ca_file {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let roots = private(file).map_err(|rule| at("client_ca_file", rule))?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            let verifier =
                verifier.map_err(|_| at("client_ca_file", "holds no authority of use".to_owned()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|_| vec![Problem::new(path, "certificate_file and key_file don't belong together")])?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
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
