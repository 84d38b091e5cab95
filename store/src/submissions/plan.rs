//! Which submissions of a chunk are tried, and in which order.

use super::NewSubmission;
use std::collections::HashMap;
use uuid::Uuid;

/// (`submission_id`, `pseudonym`).
pub(super) type Identity = (Uuid, Uuid);

/// What decides whether two submissions are the same: identity, and version and hash of the content.
pub(super) type Content = (Identity, i16, [u8; 32]);

/// A chunk, sorted out.
///
/// Of several copies of one submission only the first, the candidate, is inserted; the others share
/// its fate. Candidates are inserted in the order of their keys, which is the same in every
/// transaction, so that two transactions can only wait for each other in one direction.
pub(super) struct Plan<'a> {
    pub(super) chunk: &'a [NewSubmission],
    /// For each submission of the chunk, its place in `candidates`.
    pub(super) candidate_of: Vec<usize>,
    /// The first of each content.
    pub(super) candidates: Vec<&'a NewSubmission>,
    /// Candidates that amend nothing, by identity.
    pub(super) originals: Vec<&'a NewSubmission>,
    /// Candidates that amend, by base; each wave after the one that may hold its bases.
    pub(super) waves: Vec<Vec<&'a NewSubmission>>,
}

impl NewSubmission {
    pub(super) fn identity(&self) -> Identity {
        (self.identified.submission_id, self.identified.pseudonym)
    }

    pub(super) fn content(&self) -> Content {
        (self.identity(), self.identified.content_version, self.identified.content_hash)
    }

    fn base(&self) -> Option<Identity> {
        self.identified.amends.map(|base| (base, self.identified.pseudonym))
    }
}

impl<'a> Plan<'a> {
    pub(super) fn of(chunk: &'a [NewSubmission]) -> Self {
        Self::of_different_originals(chunk).unwrap_or_else(|| Self::of_any(chunk))
    }

    /// Of a chunk that amends nothing and where no identity comes twice, which is nearly every chunk: the order that is
    /// needed anyway shows that, without a look for each.
    fn of_different_originals(chunk: &'a [NewSubmission]) -> Option<Self> {
        let candidates: Vec<&NewSubmission> = chunk.iter().collect();
        let mut originals = candidates.clone();
        originals.sort_unstable_by_key(|c| c.identity());
        let different = originals.is_sorted_by(|a, b| a.identity() < b.identity());
        (different && chunk.iter().all(|c| c.identified.amends.is_none())).then(|| Self {
            chunk,
            candidate_of: (0..chunk.len()).collect(),
            candidates,
            originals,
            waves: Vec::new(),
        })
    }

    fn of_any(chunk: &'a [NewSubmission]) -> Self {
        let mut places: HashMap<Content, usize> = HashMap::with_capacity(chunk.len());
        let mut candidates = Vec::with_capacity(chunk.len());
        let mut candidate_of = Vec::with_capacity(chunk.len());
        for submission in chunk {
            let place = *places.entry(submission.content()).or_insert(candidates.len());
            if place == candidates.len() {
                candidates.push(submission);
            }
            candidate_of.push(place);
        }
        let (mut originals, amendments): (Vec<_>, Vec<_>) =
            candidates.iter().copied().partition(|c| c.identified.amends.is_none());
        // Stable: of two contents of one identity the earlier one of the chunk comes first.
        originals.sort_by_key(|c| c.identity());
        Self { chunk, candidate_of, candidates, originals, waves: waves(amendments) }
    }
}

/// An amendment whose base is an amendment of the same chunk goes into a later wave than its base.
/// Amendments in a circle can't be: none of them ever had a base, so any order will do.
fn waves(mut amendments: Vec<&NewSubmission>) -> Vec<Vec<&NewSubmission>> {
    let mut waves = Vec::new();
    while !amendments.is_empty() {
        let here: std::collections::HashSet<Identity> = amendments.iter().map(|a| a.identity()).collect();
        let (later, mut wave): (Vec<_>, Vec<_>) =
            amendments.iter().copied().partition(|a| a.base().is_some_and(|base| here.contains(&base)));
        amendments = if wave.is_empty() {
            wave = later;
            Vec::new()
        } else {
            later
        };
        wave.sort_by_key(|a| (a.base(), a.identity()));
        waves.push(wave);
    }
    waves
}

#[cfg(test)]
mod tests;
