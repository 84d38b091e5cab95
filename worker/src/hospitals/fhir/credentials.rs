//! How we say to a FHIR service who we are, and what happens when it doesn't believe that any more.

use std::sync::Arc;

use epro_process::config::{FhirAuth, Problem, Secret};
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::token::{Issuer, Token};
use crate::hospitals::answer::CallError;

/// What the calls to one hospital show.
pub(super) enum Credentials {
    /// Nothing; perhaps a certificate.
    None,
    /// User and password.
    Basic { user: String, password: Secret, kept: Mutex<Option<Kept>> },
    /// A token of an issuer.
    OAuth2 { issuer: Box<Issuer>, kept: Mutex<Option<(Token, Kept)>> },
}

type Kept = Arc<HeaderValue>;

/// What one call shows.
pub(super) struct Shown {
    header: Kept,
    /// It is from an earlier call: a token may have been withdrawn since.
    kept: bool,
}

impl Shown {
    /// The value of `Authorization`, marked as sensitive.
    pub(super) fn header(&self) -> HeaderValue {
        self.header.as_ref().clone()
    }
}

impl Credentials {
    pub(super) fn new(auth: &FhirAuth, path: &str) -> Result<Self, Vec<Problem>> {
        match auth {
            FhirAuth::None => Ok(Self::None),
            FhirAuth::Basic { user, password } => {
                let at_fault = |rule| vec![Problem::new(format!("{path}.auth.password_file"), rule)];
                password.read().map_err(at_fault)?;
                Ok(Self::Basic { user: user.clone(), password: password.clone(), kept: Mutex::default() })
            }
            FhirAuth::OAuth2 { .. } => {
                let issuer = Box::new(Issuer::new(auth, path)?);
                Ok(Self::OAuth2 { issuer, kept: Mutex::default() })
            }
        }
    }

    /// What the next call shows. One call at a time fetches a token, the others wait for it.
    pub(super) async fn get(&self) -> Result<Option<Shown>, CallError> {
        match self {
            Self::None => Ok(None),
            Self::Basic { user, password, kept } => {
                let mut kept = kept.lock().await;
                if let Some(header) = kept.as_ref() {
                    return Ok(Some(Shown { header: Arc::clone(header), kept: true }));
                }
                let password = read(password)?;
                let header = Arc::new(basic(user, &password)?);
                *kept = Some(Arc::clone(&header));
                Ok(Some(Shown { header, kept: false }))
            }
            Self::OAuth2 { issuer, kept } => {
                let mut kept = kept.lock().await;
                match kept.as_ref() {
                    Some((token, header)) if token.is_good() => {
                        Ok(Some(Shown { header: Arc::clone(header), kept: true }))
                    }
                    _ => {
                        *kept = None;
                        let token = issuer.fetch().await?;
                        let header =
                            Arc::new(sensitive(&Zeroizing::new(format!("Bearer {}", token.text())))?);
                        *kept = Some((token, Arc::clone(&header)));
                        Ok(Some(Shown { header, kept: false }))
                    }
                }
            }
        }
    }

    /// The service answered 401 to this. Whether it may help to ask again, with what [`Credentials::get`] gives then.
    pub(super) async fn refused(&self, shown: Shown) -> bool {
        match self {
            Self::None => false,
            // The same password again would only bring the account nearer to being locked.
            Self::Basic { user, password, kept } => {
                let mut kept = kept.lock().await;
                let Ok(new) = read(password).and_then(|password| basic(user, &password)) else {
                    return false;
                };
                let changed = new != *shown.header;
                *kept = Some(Arc::new(new));
                changed
            }
            Self::OAuth2 { kept, .. } => {
                let mut kept = kept.lock().await;
                // Another call may have fetched a new one already.
                if kept.as_ref().is_some_and(|(_, header)| Arc::ptr_eq(header, &shown.header)) {
                    *kept = None;
                }
                shown.kept
            }
        }
    }
}

/// A secret as it is now; who can't read it can't call.
pub(super) fn read(secret: &Secret) -> Result<SecretString, CallError> {
    secret.read().map_err(|rule| CallError::Denied { note: format!("our secret's file {rule}") })
}

/// `Basic` of RFC 7617.
pub(super) fn basic(user: &str, password: &SecretString) -> Result<HeaderValue, CallError> {
    let pair = Zeroizing::new(format!("{user}:{}", password.expose_secret()));
    sensitive(&Zeroizing::new(format!("Basic {}", base64(pair.as_bytes()).as_str())))
}

fn sensitive(text: &str) -> Result<HeaderValue, CallError> {
    let unfit = |_| CallError::Denied { note: "our credentials don't fit into a header".to_owned() };
    let mut value = HeaderValue::from_str(text).map_err(unfit)?;
    value.set_sensitive(true);
    Ok(value)
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> Zeroizing<String> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Zeroizing::new(String::with_capacity(bytes.len().div_ceil(3) * 4));
    for three in bytes.chunks(3) {
        let mut bits = [0_u8; 3];
        bits.iter_mut().zip(three).for_each(|(to, from)| *to = *from);
        let bits = u32::from_be_bytes([0, bits[0], bits[1], bits[2]]);
        for place in 0..4 {
            let digit = (bits >> (18 - 6 * place)) & 63;
            let digit = DIGITS.get(digit as usize).copied().unwrap_or(b'=');
            out.push(if place <= three.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_is_that_of_rfc_7617_and_prints_nothing() {
        let header = basic("Aladdin", &"open sesame".into()).unwrap();
        assert_eq!(header.to_str().unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(format!("{header:?}"), "Sensitive");
        assert_eq!(basic("test", &"123\u{a3}".into()).unwrap(), "Basic dGVzdDoxMjPCow==");
    }
}
