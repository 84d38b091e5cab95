//! Opening what the relay sealed, with code of our own.
//!
//! The format, from the documentation of epro-schemas: version 1, length of the key id, key id,
//! nonce (12 bytes), ciphertext and tag, AES-256-GCM; associated data = all before the nonce,
//! length of the message type (8 bytes, big-endian), message type, the message's id.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use uuid::Uuid;

use crate::sample::from_base64;

/// The message type of a submission.
pub const SUBMISSION: &str = "epro.submission.v1";
/// What a dead letter is sealed as that came without a seal of its own.
pub const DEAD_LETTER: &str = "epro.dead-letter.v1";

/// The keys of a folder written by [`crate::sample::Sample`].
#[derive(Clone)]
pub struct Keys {
    seal: BTreeMap<String, [u8; 32]>,
    pseudonym: [u8; 32],
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.seal.keys()).finish()
    }
}

/// What a submission's message holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The patient.
    pub subject: String,
    /// The token's `sub`.
    pub actor: String,
    /// The received bytes, untouched.
    pub bytes: Vec<u8>,
}

impl Keys {
    /// Reads `keys/seal-*` and `keys/pseudonym-p1`.
    pub fn read(folder: &Path) -> Result<Self> {
        let mut seal = BTreeMap::new();
        for entry in std::fs::read_dir(folder.join("keys")).context("the folder of keys")? {
            let path = entry?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if let Some(id) = name.strip_prefix("seal-") {
                seal.insert(id.to_owned(), key(&path)?);
            }
        }
        Ok(Self { seal, pseudonym: key(&folder.join("keys/pseudonym-p1"))? })
    }

    /// Opens a sealed body of that type and id.
    pub fn open(&self, kind: &str, id: Uuid, sealed: &[u8]) -> Result<Vec<u8>> {
        let [1, length, ..] = sealed else { anyhow::bail!("not a sealed body") };
        let header = 2 + usize::from(*length);
        ensure!(sealed.len() >= header + 12 + 16, "a sealed body cut short");
        let (header, rest) = sealed.split_at(header);
        let (nonce, body) = rest.split_at(12);
        let key_id = std::str::from_utf8(&header[2..])?;
        let key = self.seal.get(key_id).with_context(|| format!("sealed with key {key_id}"))?;
        let aad = associated(header, kind, id);
        let key = UnboundKey::new(&AES_256_GCM, key).ok().context("a key of the wrong length")?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok().context("a nonce of the wrong length")?;
        let mut body = body.to_vec();
        let plain = LessSafeKey::new(key).open_in_place(nonce, Aad::from(aad), &mut body);
        Ok(plain.ok().context("the seal is broken")?.to_vec())
    }

    /// Opens the envelope of a submission whose message had that id.
    pub fn open_submission(&self, message_id: Uuid, sealed: &[u8]) -> Result<Envelope> {
        Envelope::read(&self.open(SUBMISSION, message_id, sealed)?)
    }

    /// Seals a body as the relay does, with the first key of the folder.
    pub fn seal(&self, kind: &str, id: Uuid, plain: &[u8]) -> Result<Vec<u8>> {
        let (key_id, _) = self.seal.first_key_value().context("no seal key")?;
        self.seal_with(key_id, kind, id, plain)
    }

    /// Seals a body as the relay does, with a key of the folder by its id.
    pub fn seal_with(&self, key_id: &str, kind: &str, id: Uuid, plain: &[u8]) -> Result<Vec<u8>> {
        let key = self.seal.get(key_id).with_context(|| format!("no seal key {key_id}"))?;
        let mut sealed = vec![1, u8::try_from(key_id.len())?];
        sealed.extend(key_id.as_bytes());
        let aad = associated(&sealed, kind, id);
        let key = UnboundKey::new(&AES_256_GCM, key).ok().context("a key of the wrong length")?;
        let mut nonce = [0; 12];
        aws_lc_rs::rand::fill(&mut nonce).ok().context("no randomness")?;
        sealed.extend(nonce);
        let mut body = plain.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let done = LessSafeKey::new(key).seal_in_place_append_tag(nonce, Aad::from(aad), &mut body);
        done.ok().context("could not seal")?;
        sealed.extend(body);
        Ok(sealed)
    }

    /// The patient's pseudonym in a study: 16 bytes of HMAC-SHA-256 as a UUID of version 8.
    pub fn pseudonym(&self, study: &str, subject: &str) -> Uuid {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.pseudonym);
        let mut text = Vec::new();
        for part in [study, subject] {
            text.extend((part.len() as u64).to_be_bytes());
            text.extend(part.as_bytes());
        }
        version_8(hmac::sign(&key, &text).as_ref())
    }
}

/// The id under which a hospital gets a submission: 16 bytes of SHA-256 as a UUID of version 8.
pub fn delivery_id(study: &str, pseudonym: Uuid, submission: Uuid) -> Uuid {
    let mut text = b"epro.delivery-id.v1".to_vec();
    for part in [study.as_bytes(), pseudonym.as_bytes(), submission.as_bytes()] {
        text.extend((part.len() as u64).to_be_bytes());
        text.extend(part);
    }
    version_8(&crate::client::sha256(&text))
}

fn version_8(digest: &[u8]) -> Uuid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    bytes[6] = 0x80 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    Uuid::from_bytes(bytes)
}

/// Steps over what the FHIR door decided: id (16 bytes), study, site, base?.
fn named(rest: &mut &[u8]) -> Result<()> {
    let mut skip = |n: usize| -> Result<u8> {
        let (head, tail) = rest.split_at_checked(n).context("an envelope cut short")?;
        *rest = tail;
        Ok(head.last().copied().unwrap_or_default())
    };
    skip(16)?;
    for _ in 0..2 {
        // No study or site is longer than 64 characters: the last byte is the length.
        let length = skip(4)?;
        skip(usize::from(length))?;
    }
    if skip(1)? == 1 {
        skip(16)?;
    }
    Ok(())
}

fn associated(header: &[u8], kind: &str, id: Uuid) -> Vec<u8> {
    let mut aad = header.to_vec();
    aad.extend((kind.len() as u64).to_be_bytes());
    aad.extend(kind.as_bytes());
    aad.extend(id.as_bytes());
    aad
}

fn key(path: &Path) -> Result<[u8; 32]> {
    let text = std::fs::read_to_string(path).with_context(|| format!("key file {}", path.display()))?;
    let bytes = from_base64(&text).context("a key file that isn't base64")?;
    bytes.try_into().ok().context("a key that isn't 32 bytes long")
}

impl Envelope {
    /// Version 1, door, receipt time in nanoseconds (16 bytes), subject, actor, client?, from,
    /// trace id?, for the FHIR door what it decided, then the received bytes; a text has its length (4 bytes) before it, an optional
    /// one a byte that says whether it is there.
    pub fn read(plain: &[u8]) -> Result<Self> {
        let mut rest = plain;
        let mut take = |n: usize| -> Result<&[u8]> {
            let (head, tail) = rest.split_at_checked(n).context("an envelope cut short")?;
            rest = tail;
            Ok(head)
        };
        ensure!(take(1)? == [1], "an envelope of another version");
        let fhir = take(1 + 16)?.first() == Some(&1);
        let mut text = |optional: bool| -> Result<String> {
            if optional && take(1)? == [0] {
                return Ok(String::new());
            }
            let length = u32::from_be_bytes(take(4)?.try_into()?);
            Ok(String::from_utf8(take(length as usize)?.to_vec())?)
        };
        let (subject, actor) = (text(false)?, text(false)?);
        text(true)?;
        text(false)?;
        text(true)?;
        if fhir {
            named(&mut rest)?;
        }
        Ok(Self { subject, actor, bytes: rest.to_vec() })
    }

    /// The envelope as intake writes it, received now from loopback through the native door.
    pub fn write(&self) -> Result<Vec<u8>> {
        let mut out = vec![1, 0];
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
        out.extend(now.as_nanos().to_be_bytes());
        for (text, optional) in
            [(&*self.subject, false), (&*self.actor, false), ("", true), ("127.0.0.1", false), ("", true)]
        {
            if optional {
                out.push(0);
                continue;
            }
            out.extend(u32::try_from(text.len())?.to_be_bytes());
            out.extend(text.as_bytes());
        }
        out.extend(&self.bytes);
        Ok(out)
    }

    /// The id inside the received bytes.
    pub fn submission_id(&self) -> Result<Uuid> {
        let body: serde_json::Value = serde_json::from_slice(&self.bytes)?;
        Ok(body["submission_id"].as_str().context("no submission_id")?.parse()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys { seal: BTreeMap::from([("k1".to_owned(), [7; 32])]), pseudonym: [1; 32] }
    }

    #[test]
    fn what_is_sealed_opens_under_its_own_id_and_type_only() {
        let id = Uuid::from_u128(5);
        let sealed = keys().seal(SUBMISSION, id, b"plain").unwrap();
        assert_eq!(keys().open(SUBMISSION, id, &sealed).unwrap(), b"plain");
        assert!(keys().open(SUBMISSION, Uuid::from_u128(6), &sealed).is_err());
        assert!(keys().open("epro.audit.v1", id, &sealed).is_err());
    }

    #[test]
    fn a_pseudonym_is_what_python_computes() {
        // hmac.new(bytes([1])*32, struct.pack('>Q',7)+b'ONC-301'+struct.pack('>Q',6)+b'P-0001', 'sha256'),
        // with the version and variant bits of a UUID of version 8
        let hex = keys().pseudonym("ONC-301", "P-0001").simple().to_string();
        assert_eq!(hex, "33526232252680ea8bcaae03f686454b");
    }
}
