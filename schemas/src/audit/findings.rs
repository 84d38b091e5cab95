//! What was found: what is wrong with chains and with anchors, and which anchors were asked.

use uuid::Uuid;

use super::anchor::{Anchor, PublicKey};
use super::anchors::{AnchorFault, AnchorTrouble};
use super::digest::Digest;
use super::extent::Asked;

/// The first thing that is wrong with a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainFault {
    /// Which chain.
    pub writer: Uuid,
    /// The first sequence that isn't what it was; where only an anchor says so, the first that it may be.
    pub first_bad: i64,
    /// Up to here an anchor vouches for every event. From there to `first_bad` they fit one another, as they would if
    /// all of them had been made anew.
    pub vouched: i64,
    /// What is wrong.
    pub what: Broken,
}

/// What can be wrong with a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// It isn't there; another one stands in its place.
    #[error("is missing, or not in its place")]
    Missing,
    /// Its content isn't what its hash was made of.
    #[error("was changed")]
    Changed,
    /// The event behind it was made behind another one, or it was itself.
    #[error("was put there, or replaced")]
    Foreign,
    /// It and the event behind it don't fit, and nothing says which of them is what it was.
    #[error("or the one behind it was put there, or replaced")]
    OneOfTwo,
    /// Everything fits together, but not what an anchor says.
    #[error("or one behind it was rewritten before {seq}, of which anchor {anchor} says otherwise")]
    Rewritten {
        /// Where the anchor says otherwise.
        seq: i64,
        /// Which anchor.
        anchor: u64,
    },
    /// It is gone, with everything behind it.
    #[error("and everything up to {seq}, which anchor {anchor} has, were cut off")]
    Cut {
        /// The last one that there was.
        seq: i64,
        /// The anchor that has it.
        anchor: u64,
    },
    /// No event of the chain is there.
    #[error("and everything else of the chain, which anchor {anchor} has, are lost")]
    Lost {
        /// The anchor that has it.
        anchor: u64,
    },
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    /// Chains that were seen.
    pub chains: u64,
    /// Events that were seen.
    pub events: u64,
    /// Events behind the last that an anchor vouches for: whoever owns the database could still rewrite them.
    pub unanchored: u64,
    /// What is wrong with chains, one for each, in the order of their writers.
    pub broken: Vec<ChainFault>,
    /// What is wrong with anchors.
    pub anchors: Vec<AnchorFault>,
    /// Anchors of which events say that they were made after the last one that was given: see
    /// [`Findings::judge_later`].
    pub later: Vec<(u64, Digest)>,
    /// Which anchors were asked whether something is missing.
    pub asked: Asked,
    /// Anchors that hold and were not: they are behind the last that was.
    pub unasked: usize,
}

impl Findings {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn hold(&self) -> bool {
        self.broken.is_empty() && self.anchors.is_empty() && self.later.is_empty()
    }

    /// Judges the file of an anchor of [`Findings::later`]: made while events were read, or deleted.
    pub fn judge_later(&mut self, number: u64, digest: Digest, file: Option<&[u8]>, keys: &[PublicKey]) {
        self.later.retain(|(later, _)| *later != number);
        let what = match file.map(|file| Anchor::read(file, keys)) {
            Some(Ok((_, found))) if found == digest => return,
            Some(Ok(_)) => AnchorTrouble::Replaced,
            Some(Err(error)) => AnchorTrouble::Itself(error),
            None => AnchorTrouble::Missing,
        };
        self.anchors.push(AnchorFault { number, what });
    }
}
