//! Bodies that only we can read, and that can't be passed off as another
//! message's.
//!
//! Layout: version (1 byte), length of the key id (1 byte), key id, nonce (12
//! bytes), ciphertext with its tag (16 bytes). AES-256-GCM; the associated data
//! is everything before the nonce, the message type and the id.

mod sealer;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use uuid::Uuid;

pub use sealer::Sealer;

use crate::key::SecretKey;

const VERSION: u8 = 1;
const TAG_LEN: usize = 16;

/// The keys that a process knows: one to seal with, all to open with.
///
/// Rotation: add the new key everywhere, then make it the current one; remove
/// the old one when nothing sealed with it is left. Nonces are random, so a key
/// must be replaced before it has sealed 2^32 times.
pub struct KeyRing(RwLock<Arc<Keys>>);

struct Keys {
    current: String,
    keys: Vec<(String, LessSafeKey)>,
}

/// Keys that make no ring.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingError {
    /// An id that can't stand in a message header.
    #[error("the id of seal key number {0} must be 1 to 64 characters of A-Z a-z 0-9 . _ -")]
    BadId(usize),
    /// Two keys under one id.
    #[error("seal key id {0} is given twice")]
    Twice(String),
    /// Nothing to seal with.
    #[error("the current seal key {0} is not among the keys")]
    NoCurrent(String),
    /// The crypto library refused the key.
    #[error("seal key {0} was refused")]
    Refused(String),
}

/// A body that couldn't be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body could not be sealed")]
pub struct SealError;

/// A sealed body that couldn't be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Perhaps a key that this process doesn't have yet: worth waiting for.
    #[error("sealed with a key that is not known here: {key_id}")]
    UnknownKey {
        /// The id in the clear header.
        key_id: String,
    },
    /// Another type, another id, or changed bytes.
    #[error("the seal is broken")]
    Tampered,
    /// Not something that [`KeyRing::seal`] wrote.
    #[error("not a sealed body")]
    Malformed,
}

impl KeyRing {
    /// A ring of keys under their ids.
    ///
    /// # Errors
    /// [`KeyRingError`] names the key, never its bytes.
    pub fn new(current: &str, keys: Vec<(String, SecretKey)>) -> Result<Self, KeyRingError> {
        let mut ring = Keys { current: current.to_owned(), keys: Vec::with_capacity(keys.len()) };
        for (n, (id, key)) in keys.into_iter().enumerate() {
            if !is_key_id(&id) {
                return Err(KeyRingError::BadId(n + 1));
            }
            if ring.key(&id).is_some() {
                return Err(KeyRingError::Twice(id));
            }
            match UnboundKey::new(&AES_256_GCM, key.expose()) {
                Ok(key) => ring.keys.push((id, LessSafeKey::new(key))),
                Err(_) => return Err(KeyRingError::Refused(id)),
            }
        }
        if ring.key(current).is_none() {
            return Err(KeyRingError::NoCurrent(current.to_owned()));
        }
        Ok(Self(RwLock::new(Arc::new(ring))))
    }

    /// Puts another ring's keys in the place of these, while others seal and open.
    pub fn replace(&self, with: Self) {
        let with = with.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = with;
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The id of the key that seals; it also stands in every sealed body.
    #[must_use]
    pub fn current_id(&self) -> String {
        self.keys().current.clone()
    }

    /// Whether a key of that id is on the ring.
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        self.keys().key(id).is_some()
    }

    /// The keys of this moment, for about so many seals one after another; more are fine.
    #[must_use]
    pub fn sealer(&self, seals: usize) -> Sealer {
        Sealer::new(self.keys(), seals)
    }

    /// Seals a body for a message of this type under this id.
    ///
    /// # Errors
    /// [`SealError`] if the crypto library has no randomness or the body is
    /// larger than AES-GCM allows (64 GiB).
    pub fn seal(&self, kind: &str, id: Uuid, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        self.sealer(1).seal(kind, id, plain)
    }

    /// Opens what [`KeyRing::seal`] sealed for the same type and id, with
    /// whichever known key it names.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(&self, kind: &str, id: Uuid, sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
        self.keys().open(kind, id, sealed)
    }
}

impl Keys {
    /// Seals with the current key. No nonce may ever be given twice.
    fn seal(&self, nonce: [u8; NONCE_LEN], kind: &str, id: Uuid, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let (current, key) = (&self.current, self.key(&self.current).ok_or(SealError)?);
        let mut sealed = Vec::with_capacity(header_len(current) + NONCE_LEN + plain.len() + TAG_LEN);
        sealed.push(VERSION);
        sealed.push(u8::try_from(current.len()).map_err(|_| SealError)?);
        sealed.extend_from_slice(current.as_bytes());
        let aad = associated(&sealed, kind, id);

        sealed.extend_from_slice(&nonce);
        let body = sealed.len();
        sealed.extend_from_slice(plain);
        let plain = sealed.get_mut(body..).ok_or(SealError)?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = key.seal_in_place_separate_tag(nonce, Aad::from(&aad), plain).map_err(|_| SealError)?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    fn open(&self, kind: &str, id: Uuid, sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
        let key_id = key_id_of(sealed).ok_or(OpenError::Malformed)?;
        let (header, rest) = sealed.split_at_checked(header_len(key_id)).ok_or(OpenError::Malformed)?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>().ok_or(OpenError::Malformed)?;
        if body.len() < TAG_LEN {
            return Err(OpenError::Malformed);
        }
        let key = self.key(key_id).ok_or_else(|| OpenError::UnknownKey { key_id: key_id.to_owned() })?;

        let aad = associated(header, kind, id);
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let mut body = body.to_vec();
        let length =
            key.open_in_place(nonce, Aad::from(&aad), &mut body).map_err(|_| OpenError::Tampered)?.len();
        body.truncate(length);
        Ok(body)
    }

    fn key(&self, id: &str) -> Option<&LessSafeKey> {
        self.keys.iter().find(|(known, _)| known == id).map(|(_, key)| key)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.keys();
        let ids: Vec<&str> = keys.keys.iter().map(|(id, _)| id.as_str()).collect();
        f.debug_struct("KeyRing").field("current", &keys.current).field("ids", &ids).finish_non_exhaustive()
    }
}

/// The id of the key that a body says it was sealed with; `None` if it isn't
/// a sealed body. Not authenticated until the body is opened.
#[must_use]
pub fn key_id_of(sealed: &[u8]) -> Option<&str> {
    let [VERSION, length, rest @ ..] = sealed else { return None };
    let id = std::str::from_utf8(rest.get(..usize::from(*length))?).ok()?;
    is_key_id(id).then_some(id)
}

fn header_len(key_id: &str) -> usize {
    2 + key_id.len()
}

fn is_key_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

fn associated(header: &[u8], kind: &str, id: Uuid) -> Vec<u8> {
    let mut aad = Vec::with_capacity(header.len() + 8 + kind.len() + 16);
    aad.extend_from_slice(header);
    aad.extend_from_slice(&(kind.len() as u64).to_be_bytes());
    aad.extend_from_slice(kind.as_bytes());
    aad.extend_from_slice(id.as_bytes());
    aad
}
