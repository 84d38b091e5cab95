//! The provider of cryptography for TLS, which a process has to choose before its first connection.

/// Chooses aws-lc-rs. Calling it again does nothing.
pub fn install() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
