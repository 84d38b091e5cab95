//! Whether no connection came about over the server's certificate.

use rustls::{CertificateError, Error as TlsError};
use std::error::Error;
use std::io;

/// What is wrong with the certificate of a server that was not believed. Found by the types of the errors beneath.
pub(crate) fn fault(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(TlsError::InvalidCertificate(theirs)) = error.downcast_ref::<TlsError>() {
            return Some(named(theirs));
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

fn named(theirs: &CertificateError) -> &'static str {
    match theirs {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate isn't valid yet"
        }
        CertificateError::UnknownIssuer => "its certificate is of an unknown authority",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another name"
        }
        CertificateError::Revoked => "its certificate is revoked",
        _ => "its certificate isn't good",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificates_fault_is_found_beneath_whatever_wraps_it() {
        let fault_of = |error: TlsError| fault(&io::Error::new(io::ErrorKind::InvalidData, error));
        let theirs = TlsError::InvalidCertificate(CertificateError::Expired);
        assert_eq!(fault_of(theirs), Some("its certificate has expired"));
        assert_eq!(fault_of(TlsError::DecryptError), None);
        assert_eq!(fault(&io::Error::other("no more")), None);
    }
}
