//! `audit`: where anchors are kept, and the keys that vouch for them.

use std::path::PathBuf;

use epro_schemas::audit::anchor::{PublicKey, SigningKey};
use zeroize::Zeroizing;

use super::section::Section;
use super::{ObjectsPlace, Problem};
use crate::tls;

/// The anchors of the audit trail.
#[derive(Debug, Clone)]
pub struct AuditConfig {
    /// Where anchors are: outside the database.
    pub anchors: Option<ObjectsPlace>,
    /// PEM file of the Ed25519 key that signs them; only who makes anchors has it.
    pub signing_key_file: Option<PathBuf>,
    /// PEM files of the public keys that anchors were signed with, the old ones, too.
    pub public_key_files: Vec<PathBuf>,
}

impl AuditConfig {
    pub(super) fn read(mut section: Section<'_>, insecure: bool) -> Self {
        let anchors = ObjectsPlace::read(&mut section, insecure);
        let signing_key_file = section.path("signing_key_file");
        let public_key_files = section.paths("public_key_files");
        section.finish();
        Self { anchors, signing_key_file, public_key_files }
    }

    /// The key that signs.
    ///
    /// # Errors
    /// A problem when it is not configured, or its file can't be read or holds no such key.
    pub fn signing_key(&self) -> Result<SigningKey, Vec<Problem>> {
        let at = |rule: &str| vec![Problem::new("audit.signing_key_file", rule)];
        let file = self.signing_key_file.as_ref().ok_or_else(|| at("is required by this command"))?;
        let key = Zeroizing::new(tls::private_key(file).map_err(|rule| at(&rule))?);
        SigningKey::from_pkcs8(key.secret_der())
            .ok_or_else(|| at("holds no Ed25519 key (openssl genpkey -algorithm ed25519)"))
    }

    /// The keys that check.
    ///
    /// # Errors
    /// A problem for each file that can't be read or holds no such key.
    pub fn public_keys(&self) -> Result<Vec<PublicKey>, Vec<Problem>> {
        let (mut keys, mut problems) = (Vec::new(), Vec::new());
        for (index, file) in self.public_key_files.iter().enumerate() {
            let key = tls::public_key(file).and_then(|der| {
                let wrong = || "holds no Ed25519 public key (openssl pkey -pubout)".to_owned();
                PublicKey::from_spki(&der).ok_or_else(wrong)
            });
            match key {
                Ok(key) => keys.push(key),
                Err(rule) => problems.push(Problem::new(format!("audit.public_key_files[{index}]"), rule)),
            }
        }
        if problems.is_empty() { Ok(keys) } else { Err(problems) }
    }
}
