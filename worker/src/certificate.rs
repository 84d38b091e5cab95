//! Whether a call failed over a certificate: theirs or ours.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError, Error as TlsError};

/// What is wrong with a certificate, if that is why a call failed. Found by the types of the errors beneath.
pub(crate) fn fault(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(error) = error.downcast_ref::<TlsError>() {
            return named(error);
        }
        // What an io::Error wraps is not its source, but its inside.
        let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        at = match inside {
            Some(inside) => Some(inside),
            None => error.source(),
        };
    }
    None
}

fn named(error: &TlsError) -> Option<&'static str> {
    match error {
        TlsError::InvalidCertificate(theirs) => Some(match theirs {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "their certificate has expired"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "their certificate isn't valid yet"
            }
            CertificateError::UnknownIssuer => "their certificate is of an unknown authority",
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "their certificate is for another name"
            }
            CertificateError::Revoked => "their certificate is revoked",
            _ => "their certificate isn't good",
        }),
        TlsError::NoCertificatesPresented => Some("they have no certificate"),
        TlsError::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied,
        ) => Some("they refuse our certificate, or want one"),
        TlsError::AlertReceived(AlertDescription::HandshakeFailure | AlertDescription::ProtocolVersion)
        | TlsError::PeerIncompatible(_) => Some("no version or cipher of TLS in common"),
        _ => None,
    }
}
