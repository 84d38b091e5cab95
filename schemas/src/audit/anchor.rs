//! An anchor: a signed statement of how far every chain was at one instant.
//!
//! Its file has two lines: a JSON object, and the Ed25519 signature (RFC 8032, hexadecimal) of `PURPOSE` and the
//! bytes of the first line. Anchors are numbered from 1, and each but the first holds the SHA-256 of the first
//! line of the one before it.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::digest::{Digest, hex, unhex};

/// The chain in which the trail tells of all anchors: one for each would make every anchor longer than the last.
pub const CHAIN: Uuid = Uuid::from_u128(0x6570_726f_2d61_756d_8000_616e_6368_6f72);

/// Goes before what is signed, so that the key's signature under anything else is no anchor's.
const PURPOSE: &[u8] = b"epro.audit.anchor.v1\n";

/// How far every chain was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    /// Its number, from 1.
    pub number: u64,
    /// When it was made, by the signer's clock.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// SHA-256 of the statement before it.
    pub previous: Option<Digest>,
    /// Which key it is signed with, as [`PublicKey::id`] names it.
    pub key: String,
    /// The last event of every chain there was.
    pub heads: Vec<Head>,
}

/// The last event of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each is the column of its name")]
pub struct Head {
    pub writer: Uuid,
    pub seq: i64,
    pub hash: Digest,
}

/// What is wrong with the file of an anchor, taken by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnchorError {
    /// Not two lines, or not what they have to be.
    #[error("is not an anchor")]
    Malformed,
    /// None of the given keys has its name.
    #[error("is signed with a key that wasn't given")]
    UnknownKey,
    /// Somebody else signed it, or it was changed since.
    #[error("has a signature that doesn't hold")]
    Signature,
}

/// The key that signs anchors. Debug says nothing of it.
pub struct SigningKey(Ed25519KeyPair);

/// A key that anchors are checked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(Vec<u8>);

impl SigningKey {
    /// From the DER of PKCS #8, as in `openssl genpkey -algorithm ed25519`.
    #[must_use]
    pub fn from_pkcs8(der: &[u8]) -> Option<Self> {
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok().map(Self)
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.public_key().as_ref().to_vec())
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[key]")
    }
}

impl PublicKey {
    /// What goes before an Ed25519 key in its SubjectPublicKeyInfo (RFC 8410).
    const HEAD: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

    /// From the DER of a SubjectPublicKeyInfo, as in `openssl pkey -pubout`.
    #[must_use]
    pub fn from_spki(der: &[u8]) -> Option<Self> {
        der.strip_prefix(&Self::HEAD).filter(|key| key.len() == 32).map(|key| Self(key.to_vec()))
    }

    /// Its name: the first 16 digits of its SHA-256.
    #[must_use]
    pub fn id(&self) -> String {
        hex(&Digest::of(&self.0).0[..8])
    }
}

impl Anchor {
    /// The file, and the SHA-256 by which its successor knows it.
    ///
    /// # Errors
    /// Never in practice: everything in it can be written as JSON.
    pub fn signed(&self, key: &SigningKey) -> Result<(Vec<u8>, Digest), serde_json::Error> {
        let mut file = serde_json::to_vec(self)?;
        let digest = Digest::of(&file);
        let signature = hex(key.0.sign(&[PURPOSE, &file].concat()).as_ref());
        file.push(b'\n');
        file.extend_from_slice(signature.as_bytes());
        file.push(b'\n');
        Ok((file, digest))
    }

    /// An anchor that one of these keys has signed, and the SHA-256 by which its successor knows it.
    ///
    /// # Errors
    /// [`AnchorError`].
    pub fn read(file: &[u8], keys: &[PublicKey]) -> Result<(Self, Digest), AnchorError> {
        let text = std::str::from_utf8(file).map_err(|_| AnchorError::Malformed)?;
        let (statement, signature) = text.split_once('\n').ok_or(AnchorError::Malformed)?;
        let signature = unhex(signature.trim_end_matches(['\r', '\n'])).ok_or(AnchorError::Malformed)?;
        let anchor: Self = serde_json::from_str(statement).map_err(|_| AnchorError::Malformed)?;
        let key = keys.iter().find(|key| key.id() == anchor.key).ok_or(AnchorError::UnknownKey)?;
        UnparsedPublicKey::new(&ED25519, &key.0)
            .verify(&[PURPOSE, statement.as_bytes()].concat(), &signature)
            .map_err(|_| AnchorError::Signature)?;
        Ok((anchor, Digest::of(statement.as_bytes())))
    }
}
