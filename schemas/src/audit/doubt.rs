//! An event that is whole, but wasn't made behind the one before it: one of the two is bad, and what comes behind them
//! says which.

use std::ops::Deref;

use serde_json::value::RawValue;

use super::digest::Digest;
use super::event::Event;
use super::findings::Broken;
use super::row::Row;

/// So many places an event may have been moved by, and is still known for what it was.
pub(super) const REACH: i64 = 8;

/// The first bad sequence, and what is wrong with it.
pub(super) type Verdict = (i64, Broken);

/// The end of what fits: whatever is bad is at it or behind it.
#[derive(Clone, Copy)]
pub(super) struct End {
    /// The last event that fits those before it.
    pub(super) seq: i64,
    /// Its hash.
    pub(super) hash: Digest,
    /// The hash before that one.
    pub(super) before: Option<Digest>,
    /// The last sequence that an anchor agreed with.
    pub(super) agreed: i64,
}

/// The doubt between the end of what fits and the event behind it.
pub(super) struct Doubt {
    end: End,
    /// Whoever was made behind one of these says that the first bad one is this.
    signs: Vec<(Digest, i64)>,
    /// Where it is if nobody says more.
    otherwise: Verdict,
    /// Whether all events fit one another again, from the one in doubt to the last one seen, which is:
    fits: bool,
    seq: i64,
    hash: Digest,
}

impl Doubt {
    /// Of `event`, which is whole, but isn't behind `end`.
    pub(super) fn new<S, R>(end: End, event: &Event<S, R>, buffer: &mut Vec<u8>) -> Self
    where
        S: Deref<Target = str>,
        R: Deref<Target = RawValue>,
    {
        let row = event.row();
        // Made behind the end: it isn't the end that is bad. Nor is it if the event was made behind the end once,
        // or stood further back, before others were taken away.
        let mut signs = vec![(end.hash, event.seq), (Digest(row.hash_in(buffer, &end.hash.0)), event.seq)];
        for by in 1..=REACH {
            let mut stood = |seq| Digest(Row { seq, ..row }.hash_in(buffer, &event.prev_hash.0));
            signs.push((stood(event.seq + by), event.seq));
            // It stood further in front, before others were put there.
            signs.push((stood(event.seq - by), (event.seq - by).max(end.agreed + 1)));
        }
        let otherwise = (end.seq, Broken::OneOfTwo);
        Self { end, signs, otherwise, fits: true, seq: event.seq, hash: event.hash }
    }

    /// The next event of the chain. An error ends the doubt.
    pub(super) fn hear<S, R>(&mut self, event: &Event<S, R>, buffer: &mut Vec<u8>) -> Result<(), Verdict>
    where
        S: Deref<Target = str>,
        R: Deref<Target = RawValue>,
    {
        if let Some((_, first)) = self.signs.iter().find(|(hash, _)| *hash == event.prev_hash) {
            return Err((*first, Broken::Foreign));
        }
        self.fits = self.fits
            && event.seq == self.seq + 1
            && event.prev_hash == self.hash
            && event.hash == event.hashed_in(buffer);
        if self.fits {
            (self.seq, self.hash) = (event.seq, event.hash);
        }
        Ok(())
    }

    /// An anchor has the last event that was seen. An error ends the doubt.
    pub(super) fn anchored(&mut self, agrees: bool, rewritten: Verdict) -> Result<(), Verdict> {
        if !self.fits {
            return Ok(());
        }
        if agrees {
            // The one in doubt is what it was.
            return Err((self.end.seq, Broken::Foreign));
        }
        // Whatever fits here was made anew: it says nothing any more.
        (self.fits, self.otherwise) = (false, rewritten);
        Ok(())
    }

    /// Nothing comes any more.
    pub(super) fn verdict(&self) -> Verdict {
        self.otherwise
    }
}

/// Whether an event that isn't itself is so because it was moved on, for others that were put before it.
pub(super) fn put_before<S, R>(end: End, event: &Event<S, R>, buffer: &mut Vec<u8>) -> Option<Verdict>
where
    S: Deref<Target = str>,
    R: Deref<Target = RawValue>,
{
    let row = event.row();
    if end.seq == end.agreed || Digest(row.hash_in(buffer, &end.hash.0)) == event.hash {
        // Behind what an anchor has, or nothing was changed but what it says that it is behind.
        return None;
    }
    let mut stood = |seq: &i64| Digest(Row { seq: *seq, ..row }.hash_in(buffer, &event.prev_hash.0));
    let first = (1..=REACH).map(|by| event.seq - by).find(|seq| stood(seq) == event.hash);
    // It isn't known any more, but was made behind the one before the last.
    let first = first.or_else(|| (end.before == Some(event.prev_hash)).then_some(end.seq));
    first.filter(|seq| *seq > end.agreed).map(|seq| (seq, Broken::Foreign))
}
