//! Anchors of a trail, made by `epro audit anchor` with a key of the bench's own.

use std::path::PathBuf;

use anyhow::Result;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};

use crate::Stack;
use crate::sample::base64;

/// What goes before an Ed25519 key in its SubjectPublicKeyInfo (RFC 8410).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Where the anchors of a stack are, and the two halves of the key.
pub(super) struct Anchoring {
    folder: PathBuf,
    secret: PathBuf,
    public: PathBuf,
}

impl Anchoring {
    /// With a fresh key.
    pub(super) fn new(stack: &Stack) -> Result<Self> {
        let at = |name: &str| stack.folder().join(name);
        let made = Self { folder: at("anchors"), secret: at("audit.pem"), public: at("audit.pub.pem") };
        let pair = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new())?;
        let public = Ed25519KeyPair::from_pkcs8(pair.as_ref())?.public_key().as_ref().to_vec();
        std::fs::write(&made.secret, pem("PRIVATE KEY", pair.as_ref()))?;
        std::fs::write(&made.public, pem("PUBLIC KEY", &[&SPKI[..], public.as_slice()].concat()))?;
        Ok(made)
    }

    /// Makes one more anchor.
    pub(super) async fn anchor(&self, stack: &Stack) -> Result<()> {
        let (folder, secret) = (self.folder.display().to_string(), self.secret.display().to_string());
        let env = [("EPRO__AUDIT__FOLDER", &*folder), ("EPRO__AUDIT__SIGNING_KEY_FILE", &*secret)];
        let (code, out, error) = stack.epro_with(&env, &["audit", "anchor"]).await?;
        anyhow::ensure!(code == Some(0), "no anchor: {out}{error}");
        Ok(())
    }

    /// What tells `epro audit verify` of them.
    pub(super) fn arguments(&self) -> [String; 4] {
        let (folder, public) = (self.folder.display().to_string(), self.public.display().to_string());
        ["--anchors".to_owned(), folder, "--public-key".to_owned(), public]
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", base64(der))
}
