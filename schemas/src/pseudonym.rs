//! The name under which a patient is known beyond the identified store.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;
use uuid::Uuid;

use crate::key::SecretKey;

/// The key that makes pseudonyms. It never enters a database: whoever has only
/// the rows can't tell whose they are.
pub struct PseudonymKey {
    id: Arc<str>,
    key: hmac::Key,
}

impl PseudonymKey {
    /// A key under its id, which is stored beside every pseudonym.
    #[must_use]
    pub fn new(id: impl Into<Arc<str>>, key: &SecretKey) -> Self {
        Self { id: id.into(), key: hmac::Key::new(hmac::HMAC_SHA256, key.expose()) }
    }

    /// The key's id.
    #[must_use]
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// The pseudonym of a subject in a study: the first 16 bytes of an
    /// HMAC-SHA-256, as a UUID of version 8. The same patient has another one
    /// in another study.
    #[must_use]
    pub fn pseudonym(&self, study: &str, subject: &str) -> Uuid {
        let mut hmac = hmac::Context::with_key(&self.key);
        for part in [study, subject] {
            hmac.update(&(part.len() as u64).to_be_bytes());
            hmac.update(part.as_bytes());
        }
        uuid_of(hmac.sign().as_ref())
    }
}

impl fmt::Debug for PseudonymKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PseudonymKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The first 16 bytes of a digest (at least 16 bytes long) as a UUID of version 8.
pub(crate) fn uuid_of(digest: &[u8]) -> Uuid {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(digest) {
        *to = *from;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::PseudonymKey;
    use crate::key::SecretKey;

    fn key(byte: u8) -> PseudonymKey {
        PseudonymKey::new("p1", &SecretKey::new([byte; 32]))
    }

    #[test]
    fn a_pseudonym_depends_on_key_study_and_subject_and_on_nothing_else() {
        let it = key(1).pseudonym("ONC-301", "P-0001");
        assert_eq!(it, key(1).pseudonym("ONC-301", "P-0001"));
        assert_ne!(it, key(2).pseudonym("ONC-301", "P-0001"));
        assert_ne!(it, key(1).pseudonym("ONC-302", "P-0001"));
        assert_ne!(it, key(1).pseudonym("ONC-301", "P-0002"));
        assert_ne!(it, key(1).pseudonym("ONC-301P", "-0001"), "the parts must not run together");
        assert_eq!(it.get_version_num(), 8);
    }

    #[test]
    fn a_pseudonym_is_the_hmac_that_another_tool_computes() {
        // python3: hmac.new(bytes([1])*32, struct.pack('>Q',7)+b'ONC-301'+struct.pack('>Q',6)+b'P-0001', 'sha256')
        let hex = key(1).pseudonym("ONC-301", "P-0001").simple().to_string();
        assert_eq!(hex, "33526232252680ea8bcaae03f686454b");
    }

    #[test]
    fn a_key_prints_its_id_only() {
        assert_eq!(format!("{:?}", key(1)), "PseudonymKey { id: \"p1\", .. }");
    }
}
