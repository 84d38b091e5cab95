//! Many seals, one after another.

use std::sync::Arc;

use aws_lc_rs::aead::NONCE_LEN;
use aws_lc_rs::rand;
use uuid::Uuid;

use super::{Keys, OpenError, SealError};

/// The most nonces that are drawn at once: as many as the largest chunk needs.
const MOST: usize = 1_000;

/// The keys that a [`KeyRing`](super::KeyRing) has at one moment, and nonces for the seals of one chunk.
///
/// Randomness for one nonce costs half of what it costs for a whole chunk's, so they are drawn together, when the
/// first is needed. For that it must not be kept for longer than a chunk is worked on, nor while anything is waited
/// for, and can't be cloned: a snapshot of a machine holds the nonces that weren't used yet, and whoever resumes it
/// twice would use them twice. Nor does it learn of keys that come to the ring meanwhile: the next one does.
pub struct Sealer {
    keys: Arc<Keys>,
    at_once: usize,
    /// Drawn and not used yet.
    nonces: Vec<u8>,
}

impl Sealer {
    pub(super) fn new(keys: Arc<Keys>, seals: usize) -> Self {
        Self { keys, at_once: seals.clamp(1, MOST), nonces: Vec::new() }
    }

    /// As [`KeyRing::seal`](super::KeyRing::seal).
    ///
    /// # Errors
    /// The same.
    pub fn seal(&mut self, kind: &str, id: Uuid, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let nonce = self.nonce()?;
        self.keys.seal(nonce, kind, id, plain)
    }

    /// As [`KeyRing::open`](super::KeyRing::open).
    ///
    /// # Errors
    /// The same.
    pub fn open(&self, kind: &str, id: Uuid, sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
        self.keys.open(kind, id, sealed)
    }

    /// A nonce that no other seal gets: it is gone from here before it is used, whatever becomes of the seal.
    fn nonce(&mut self) -> Result<[u8; NONCE_LEN], SealError> {
        if self.nonces.is_empty() {
            // Filled before it is kept: what couldn't be drawn is never taken for nonces.
            let mut drawn = vec![0; self.at_once * NONCE_LEN];
            rand::fill(&mut drawn).map_err(|_| SealError)?;
            self.nonces = drawn;
        }
        let (rest, nonce) = self.nonces.split_last_chunk::<NONCE_LEN>().ok_or(SealError)?;
        let (left, nonce) = (rest.len(), *nonce);
        self.nonces.truncate(left);
        Ok(nonce)
    }
}
