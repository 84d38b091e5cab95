//! All anchors, in their order: what they vouch for together, and what is wrong among them.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use uuid::Uuid;

use super::anchor::{Anchor, AnchorError, PublicKey};
use super::digest::Digest;

/// Something wrong with one anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnchorFault {
    /// Which.
    pub number: u64,
    /// What.
    pub what: AnchorTrouble,
}

/// What can be wrong with an anchor among the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnchorTrouble {
    /// By itself.
    #[error("{0}")]
    Itself(AnchorError),
    /// It isn't there, although a later one is, or an event says that it was made.
    #[error("is missing")]
    Missing,
    /// Its content has another number than its name.
    #[error("says that it is another one")]
    Renamed,
    /// It names another predecessor than the one that is there.
    #[error("follows another one than is there")]
    Unlinked,
    /// It has a chain shorter, or otherwise, than an anchor before it.
    #[error("contradicts one before it")]
    Contradiction,
    /// An event of the trail says that it was another one.
    #[error("is another one than the trail says was made")]
    Replaced,
}

/// What anchors vouch for.
#[derive(Debug, Default)]
pub struct Anchors {
    pub(super) heads: HashMap<Uuid, BTreeMap<i64, (Digest, u64)>>,
    pub(super) digests: BTreeMap<u64, Digest>,
    pub(super) faults: Vec<AnchorFault>,
    last: Option<(u64, Option<Digest>)>,
}

impl Anchors {
    /// Adds the file with this number; they have to come in the order of their numbers.
    pub fn add(&mut self, number: u64, file: &[u8], keys: &[PublicKey]) {
        let (last, before) = self.last.unwrap_or((0, None));
        for missing in last + 1..number {
            self.fault(missing, AnchorTrouble::Missing);
        }
        let follows = last + 1 == number;
        self.last = Some((number, None));
        let (anchor, digest) = match Anchor::read(file, keys) {
            Ok(read) => read,
            Err(error) => return self.fault(number, AnchorTrouble::Itself(error)),
        };
        self.last = Some((number, Some(digest)));
        if anchor.number != number {
            return self.fault(number, AnchorTrouble::Renamed);
        }
        // Behind one that is missing or broken nothing is said twice.
        if follows && (number == 1 || before.is_some()) && anchor.previous != before {
            self.fault(number, AnchorTrouble::Unlinked);
        }
        self.digests.insert(number, digest);
        let mut contradicts = false;
        for head in anchor.heads {
            let known = self.heads.entry(head.writer).or_default();
            let last = known.last_key_value().map_or(0, |(seq, _)| *seq);
            let told = known.entry(head.seq).or_insert((head.hash, number));
            contradicts |= head.seq < last || told.0 != head.hash;
        }
        if contradicts {
            self.fault(number, AnchorTrouble::Contradiction);
        }
    }

    /// How many hold.
    #[must_use]
    pub fn len(&self) -> usize {
        self.digests.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.digests.is_empty()
    }

    /// How many hold of those behind this number.
    pub(super) fn behind(&self, number: u64) -> usize {
        self.digests.range((Bound::Excluded(number), Bound::Unbounded)).count()
    }

    /// The number and the SHA-256 of the last file, if it could be read.
    #[must_use]
    pub fn last(&self) -> Option<(u64, Option<Digest>)> {
        self.last
    }

    /// What is wrong so far.
    #[must_use]
    pub fn faults(&self) -> &[AnchorFault] {
        &self.faults
    }

    pub(super) fn fault(&mut self, number: u64, what: AnchorTrouble) {
        self.faults.push(AnchorFault { number, what });
    }
}
